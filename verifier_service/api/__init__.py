"""The HTTP routes, one router per module. Routes find settings and service in `app.state`; imports build nothing."""
