"""What a report is made of and how it is written: page, Markdown, parquet; knows nothing of what it says."""
