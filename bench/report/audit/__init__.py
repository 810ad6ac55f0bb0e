"""An audit, shown: on a terminal, as Markdown, JSON, JUnit XML, or annotations of GitHub."""
