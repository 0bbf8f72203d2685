"""SEE: numbered sources that report what happened, page by page, and judge nothing."""
