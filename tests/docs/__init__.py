"""Every code block of the documentation is executed or checked by a test.

Theory of operation:

1. `blocks.py` reads each Markdown page with a CommonMark parser. It yields the fenced blocks with their language, their
   line, and the comment `<!-- test: ... -->` on the line before, if there is one. CONTRIBUTING.md lists the comments.
2. `folder.py` gives each page a copy of the repository. The page's blocks run there in order, as a reader would type
   them: files, exported variables and the working folder last from one block to the next. The checkout stays as it is.
3. One real service answers all pages. Its address replaces `http://127.0.0.1:8000` in every block. A block that starts
   a service itself gets a free port, and the rest of its page uses that service.
4. What a block shows is compared with what the block before it printed: JSON by `answers.py`, text by `folder.py`.
5. A block that cannot run here is parsed: `commands.py` gives each of our command lines to the real parser of that
   command, and `bodies.py` gives JSON, YAML and TOML to the code that really reads it.

`test_blocks.py` tests the pages. `test_mechanism.py` tests this mechanism: it must find each kind of error.
"""
