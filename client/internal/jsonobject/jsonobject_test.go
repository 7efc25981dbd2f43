package jsonobject

import (
	"encoding/json"
	"strings"
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

// U+FFFD itself is text; input that encoding/json would replace with it is not.
func TestText(t *testing.T) {
	for raw, want := range map[string]bool{
		`"a"`: true, `""`: true, `"\ufffd"`: true, "\"\ufffd\"": true, `"\ud83d\ude00"`: true, `"\\ud83d"`: true, `"\n\\\"\u00e9"`: true,
		"\"\xff\"": false, "\"a\xc3\"": false, "\"\xed\xa0\x80\"": false, `"\ud83d"`: false, `"\ude00"`: false, `"\ude00\ud83d"`: false,
		`"\ud83dx"`: false, `"\ud83d\\ude00"`: false, `"\uD83D\u0041"`: false, `"\ud83d\ud83d\ude00"`: false, `"\\\ud83d"`: false,
	} {
		o := Decode([]byte(`{"v":` + raw + `}`))
		require.NotNil(t, o, raw)
		require.Equal(t, want, o.IsText("v"), raw)
		_, ok := o.Text("v")
		require.Equal(t, want, ok, raw)
		require.True(t, o.IsString("v"))
	}
	require.False(t, Object(nil).IsString("v"))
	require.True(t, Object(nil).IsText("v"))
}

func FuzzText(f *testing.F) {
	f.Add([]byte(`"\ud83d\ude00 \\ \ufffd"`))
	f.Add([]byte("\"\xff\""))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var text string
		if json.Unmarshal(raw, &text) != nil {
			return
		}
		// Each replacement adds one U+FFFD; the others were in the input already.
		kept := strings.Count(strings.ToLower(string(raw)), `\ufffd`) + strings.Count(string(raw), "\ufffd")
		if is := (Object{"v": raw}).IsText("v"); is && strings.Count(text, "\ufffd") > kept || !is && !strings.Contains(text, "\ufffd") {
			t.Errorf("%q, which is %q, is text: %v", raw, text, is)
		}
	})
}
