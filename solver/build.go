package solver

import (
	"runtime/debug"
	"slices"
	"time"
)

// A Build identifies the source of the gkpow module in the running program.
type Build struct {
	Version  string    // version of the module, such as "v1.2.3"; "devel" if not recorded
	Revision string    // commit of the source; "" if not recorded
	Time     time.Time // time of that commit; zero if not recorded
	Modified bool      // whether the source differed from that commit
	Settings []string  // build settings that affect speed, such as "-tags=purego"
}

// modulePath is the path of the module that contains this package.
const modulePath = "github.com/gkpow/gkpow"

// BuildInfo returns what the go command recorded when it built the program. The go command records
// the revision only for programs of this module, such as cmd/gkpow.
func BuildInfo() Build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = new(debug.BuildInfo)
	}
	return newBuild(info)
}

// speedSettings lists the settings that appear in Build.Settings.
var speedSettings = []string{"-tags", "-race", "GOAMD64", "GOARM64", "GOEXPERIMENT", "-gcflags"}

func newBuild(info *debug.BuildInfo) Build {
	b := Build{Version: "devel"}
	for _, module := range append([]*debug.Module{&info.Main}, info.Deps...) {
		if module.Path == modulePath && module.Version != "" && module.Version != "(devel)" {
			b.Version = module.Version
		}
	}
	own := info.Main.Path == modulePath // otherwise the revision is another module's
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
