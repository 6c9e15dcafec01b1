"""The page in a browser: `overview` says what is shown, `markup` how it is written."""
