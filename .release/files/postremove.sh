#!/bin/sh
# After the files are gone. dpkg says "purge" when the settings go, too; the secret
# key, which the administrator has put there, stays.
set -e
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
if [ "$1" = purge ]; then
	rm -rf /var/cache/private/gkpow /var/cache/gkpow
fi
