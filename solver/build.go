package solver

import (
	"runtime/debug"
	"slices"
	"time"
)

// A Build says what the gkpow module in the running program was built from.
type Build struct {
	Version  string    // of the module, such as "v1.2.3"; "devel" if the build recorded none
	Revision string    // of the source, "" if the build recorded none
	Time     time.Time // when that revision was committed, zero if the build recorded none
	Modified bool      // whether the source differed from that revision
	Settings []string  // those of the build that affect speed, such as "-tags=purego"
}

// modulePath is that of the module which this package belongs to.
const modulePath = "github.com/gkpow/gkpow"

// BuildInfo returns what the Go command recorded when it built the program. It
// records the revision only in programs of this module, such as cmd/gkpow.
func BuildInfo() Build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = new(debug.BuildInfo)
	}
	return newBuild(info)
}

// speedSettings are the names of the settings in Build.Settings.
var speedSettings = []string{"-tags", "-race", "GOAMD64", "GOARM64", "GOEXPERIMENT", "-gcflags"}

func newBuild(info *debug.BuildInfo) Build {
	b := Build{Version: "devel"}
	for _, module := range append([]*debug.Module{&info.Main}, info.Deps...) {
		if module.Path == modulePath && module.Version != "" && module.Version != "(devel)" {
			b.Version = module.Version
		}
	}
	own := info.Main.Path == modulePath // or the revision is of another module
	for _, setting := range info.Settings {
		switch {
		case slices.Contains(speedSettings, setting.Key):
			b.Settings = append(b.Settings, setting.Key+"="+setting.Value)
		case own && setting.Key == "vcs.revision":
			b.Revision = setting.Value
		case own && setting.Key == "vcs.time":
			b.Time, _ = time.Parse(time.RFC3339, setting.Value)
		case own && setting.Key == "vcs.modified":
			b.Modified = setting.Value == "true"
		}
	}
	return b
}
