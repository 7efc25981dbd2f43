package gktinc

import (
	"bytes"
	"encoding/json"
	"strings"
)

// denial returns the first denying action in an answer, "" if there is none. It finds
// actions at any depth, under names in any case and under repeated names. A JSON decoder
// would see one of them at most, and overlooking a denial would admit a visitor.
func denial(answer []byte) Action {
	if !json.Valid(answer) {
		return ""
	}
	type level struct {
		object, value bool // whether it is an object, and whether a value comes next in it
		name          string
	}
	levels := []level{{}}
	for d := json.NewDecoder(bytes.NewReader(answer)); ; {
		token, err := d.Token()
		if err != nil {
			return ""
		}
		in := &levels[len(levels)-1]
		text, isText := token.(string)
		switch {
		case in.object && !in.value && isText:
			in.name, in.value = text, true
			continue
		case token == json.Delim('}') || token == json.Delim(']'):
			levels = levels[:len(levels)-1]
			continue
		case isText && strings.EqualFold(in.name, "action") && Action(text).Denies():
			return Action(text).normalized()
		}
		in.value = false
		if token == json.Delim('{') || token == json.Delim('[') {
			inside := level{object: token == json.Delim('{')}
			if token == json.Delim('[') {
				inside.name = in.name
			}
			levels = append(levels, inside)
		}
	}
}
