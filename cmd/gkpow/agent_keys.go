package main

import (
	"fmt"
	"log/slog"
	"os"
)

// agentKeys reads the keys again that an agent was started with.
type agentKeys struct {
	log      *slog.Logger
	services []keyService
}

// A keyService is a service with a key that can be read again.
type keyService struct {
	variable string // with the key; with _FILE after it, with the name of its file
	file     string // "" if the variable itself has the key
	reload   func() (changed bool, err error)
}

// add has the key of the variable read again by reload.
func (k *agentKeys) add(variable string, env environment, reload func() (changed bool, err error)) {
	file, _ := env.lookup(variable + "_FILE")
	k.services = append(k.services, keyService{variable, file, reload})
}

// reload reads all keys again, and logs what has become of them.
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

// checkReadable returns why a key file cannot be read a second time: a pipe's
// content is gone, and to wait for more of it could take for ever.
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
