totl "$(cat)"
