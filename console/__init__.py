"""What speaks to a person: errors of one sentence, command lines made of pydantic models, progress bars, wording."""
