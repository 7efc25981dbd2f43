package jsonobject

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDecode(t *testing.T) {
	for _, data := range []string{"", "null", "[]", `"a"`, `{"a":1}x`, `{"a":1}{}`, `{"a"}`, "{\"a\":\xff}"} {
		o := Decode([]byte(data))
		require.Nil(t, o, data)
		require.False(t, o.Has("a"))
	}
	o := Decode([]byte(` {"a":1, "A":2, "a":"3", "n":null, "t":true} `))
	require.True(t, o.Has("a"))
	require.False(t, o.Has("n"))
	require.False(t, o.Has("b"))
	require.True(t, o.IsTrue("t"))
	require.False(t, o.IsTrue("a"))
	text, ok := o.Text("a")
	require.Equal(t, "3", text)
	require.True(t, ok)
}

func TestFields(t *testing.T) {
	for value, want := range map[string]struct {
		text   string // of TextOrNumber
		isText bool
		number float64
		isNum  bool
		unix   int64
		isTime bool
	}{
		`1.5`:                    {"1.5", true, 1.5, true, 1, true},
		`" 1.5e1 "`:              {" 1.5e1 ", true, 15, true, 15, true},
		`-0`:                     {"-0", true, 0, true, 0, true},
		`-1`:                     {"-1", true, -1, true, 0, false},
		`1700000000000`:          {"1700000000000", true, 1.7e12, true, 1700000000, true},
		`253402300800`:           {"253402300800", true, 253402300800, true, 0, false},
		`"2023-11-14T22:13:20Z"`: {"2023-11-14T22:13:20Z", true, 0, false, 1700000000, true},
		`1e9999`:                 {"1e9999", true, 0, false, 0, false},
		`"0x10"`:                 {"0x10", true, 0, false, 0, false},
		`"NaN"`:                  {"NaN", true, 0, false, 0, false},
		`"1_0"`:                  {"1_0", true, 0, false, 0, false},
		`null`:                   {"", false, 0, false, 0, false},
		`true`:                   {"", false, 0, false, 0, false},
		`["1"]`:                  {"", false, 0, false, 0, false},
		`{"a":1}`:                {"", false, 0, false, 0, false},
	} {
		o := Decode([]byte(`{"v":` + value + `}`))
		text, ok := o.TextOrNumber("v")
		require.Equal(t, want.text, text, value)
		require.Equal(t, want.isText, ok, value)
		number, ok := o.Number("v")
		require.Equal(t, want.isNum, ok, value)
		if ok {
			require.InDelta(t, want.number, number, 0, value)
		}
		at, ok := o.Timestamp("v")
		require.Equal(t, want.isTime, ok, value)
		if ok {
			require.True(t, at.Truncate(time.Second).Equal(time.Unix(want.unix, 0)), value)
		}
	}
	_, ok := Object(nil).TextOrNumber("v")
	require.False(t, ok)
}
