package gktinc

import (
	"bytes"
	"encoding/json"
	"strings"
)

// denial returns the first action in an answer that denies, "" if there is none. It looks
// at any depth, at names in any case and at names that are there twice: of all these a
// decoder sees one or nothing, and a denial that is overlooked would be a visitor let in.
func denial(answer []byte) Action {
	if !json.Valid(answer) {
		return ""
	}
	type level struct {
		object, value bool // an object, and whether a value comes next in it
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
