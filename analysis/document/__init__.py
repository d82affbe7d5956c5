"""What a report is made of, its tables as a reader wants them, and how it is written: page, Markdown, parquet."""
