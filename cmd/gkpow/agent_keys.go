package main

import (
	"fmt"
	"log/slog"
	"os"
)

// agentKeys rereads the keys of an agent.
type agentKeys struct {
	log      *slog.Logger
	services []keyService
}

// A keyService is a service whose key can be reread.
type keyService struct {
	variable string // contains the key; with the suffix _FILE, the name of its file
	file     string // "" if the variable itself contains the key
	reload   func() (changed bool, err error)
}

// add registers reload as the function that rereads the variable's key.
func (k *agentKeys) add(variable string, env environment, reload func() (changed bool, err error)) {
	file, _ := env.lookup(variable + "_FILE")
	k.services = append(k.services, keyService{variable, file, reload})
}

// reload rereads all keys, and logs whether each one changed.
func (k *agentKeys) reload() {
	for _, s := range k.services {
		switch changed, err := s.reload(); {
		case err != nil:
			k.log.Error("could not reread the key, so the old one stays in use", "variable", s.variable, "error", err.Error())
		case changed:
			k.log.Info("key reloaded", "variable", s.variable, "file", s.file)
		case s.file == "":
			k.log.Warn("the key comes from the environment, which cannot change while the agent runs: put it in a file",
				"variable", s.variable, "instead", s.variable+"_FILE")
		default:
			k.log.Info("the key has not changed", "variable", s.variable, "file", s.file)
		}
	}
}

// checkReadable returns an error if a key file cannot be read a second time: a pipe is
// empty by then, and waiting for more content could take forever.
func checkReadable(env environment, variable string) error {
	file, _ := env.lookup(variable + "_FILE")
	if file == "" {
		return nil
	}
	info, err := os.Stat(file)
	if err != nil {
		return fmt.Errorf("%s_FILE: %w", variable, err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s_FILE: %s is not a plain file, so the agent can read it only once, when it starts", variable, file)
	}
	return nil
}
