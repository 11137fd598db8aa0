#!/bin/sh
# Installs Debian's Chromium for the browser tests where that is possible (root and apt); elsewhere the tests that
# need it are skipped with a reason. Never fails: the other tests must run all the same.
for name in chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null 2>&1 && exit 0
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing Chromium for the browser tests."
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core; } >/dev/null 2>&1 ||
        echo "Chromium could not be installed; the browser tests will be skipped."
else
    echo "No Chromium found; the browser tests will be skipped. Install the package 'chromium' to run them."
fi
exit 0
