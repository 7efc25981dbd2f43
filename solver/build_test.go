package solver

import (
	"runtime/debug"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBuild(t *testing.T) {
	settings := []debug.BuildSetting{
		{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.time", Value: "2026-11-26T20:00:00Z"},
		{Key: "vcs.modified", Value: "true"},
		{Key: "-tags", Value: "purego"}, {Key: "CGO_ENABLED", Value: "1"},
	}
	other := debug.Module{Path: "example.com/other", Version: "v9"}
	for name, test := range map[string]struct {
		info debug.BuildInfo
		want Build
	}{
		"command": {
			debug.BuildInfo{Main: debug.Module{Path: modulePath, Version: "v1.2.3"}, Settings: settings},
			Build{"v1.2.3", "abc", time.Date(2026, 11, 26, 20, 0, 0, 0, time.UTC), true, []string{"-tags=purego"}},
		},
		"dependency": { // the recorded revision is the main module's
			debug.BuildInfo{
				Main: other, Deps: []*debug.Module{{Path: modulePath, Version: "v1.2.4"}}, Settings: settings,
			},
			Build{Version: "v1.2.4", Settings: []string{"-tags=purego"}},
		},
		"no version": {
			debug.BuildInfo{Main: debug.Module{Path: modulePath, Version: "(devel)"}},
			Build{Version: "devel"},
		},
		"nothing": {debug.BuildInfo{}, Build{Version: "devel"}},
	} {
		require.Equal(t, test.want, newBuild(&test.info), name)
	}
}
