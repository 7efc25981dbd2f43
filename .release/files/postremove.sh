#!/bin/sh
# Runs after the files are removed. dpkg passes "purge" if the settings are removed too.
# The keys that the administrator has stored stay.
set -e
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
if [ "$1" = purge ]; then
	rm -rf /var/cache/private/gkpow /var/cache/gkpow
fi
