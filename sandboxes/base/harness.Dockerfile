# The last layer of every sandbox image: the harness. Last, so that a change of it does not install compilers again.
ARG TOOLS_IMAGE
FROM ${TOOLS_IMAGE}
COPY __init__.py /opt/verifier/sandboxes/__init__.py
COPY harness /opt/verifier/sandboxes/harness
RUN python3 -m compileall -q /opt/verifier && chmod -R a+rX,go-w /opt/verifier \
 && mkdir -p /box /tester && chmod 1777 /box /tester
WORKDIR /opt/verifier
