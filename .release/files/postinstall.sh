#!/bin/sh
# Runs after the files are unpacked. dpkg passes "configure", rpm the number of versions.
set -e
if ! getent group gkpow >/dev/null; then
	groupadd --system gkpow
fi
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	systemctl try-restart gkpow-agent.service
fi
