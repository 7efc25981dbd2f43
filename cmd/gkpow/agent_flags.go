package main

import (
	"strings"

	"github.com/spf13/pflag"
)

// agentFlags are the flags of gkpow agent.
type agentFlags struct {
	engineFlags
	accountFlags
	gktinc                     guardFlags
	listen, socket, bearerFile string
	write, format              string
}

func (f *agentFlags) register(flags *pflag.FlagSet) {
	f.accountFlags.register(flags)
	f.registerCache(flags)
	f.engineFlags.register(flags)
	f.gktinc.register(flags, "X-Real-IP")
	flags.StringVar(&f.listen, "listen", "127.0.0.1:8788", "loopback address and port to listen on; port 0 picks a free one")
	flags.StringVar(&f.socket, "socket", "", "unix socket to listen on instead of --listen")
	flags.StringVar(&f.bearerFile, "bearer-file", "", "where to write the bearer (default: gkpow/agent-PORT.bearer in the user's cache directory)")
	flags.StringVar(&f.write, "write", "", "file, with mode 0600, in which to keep a live token for programs that read files")
	flags.StringVar(&f.format, "format", "token", "format of the --write file: "+strings.Join(tokenFormats, ", "))
}
