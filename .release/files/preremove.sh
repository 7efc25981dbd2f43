#!/bin/sh
# Runs before the files are removed. dpkg passes "remove" or "upgrade", rpm the number of
# versions that stay installed.
set -e
if [ "$1" = remove ] || [ "$1" = 0 ]; then
	if [ -d /run/systemd/system ]; then
		systemctl disable --now gkpow-agent.socket gkpow-agent.service || :
	fi
fi
