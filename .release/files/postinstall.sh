#!/bin/sh
# After dpkg or rpm has unpacked the files: "configure" or the number of versions.
set -e
if ! getent group gkpow >/dev/null; then
	groupadd --system gkpow
fi
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	systemctl try-restart gkpow-agent.service
fi
