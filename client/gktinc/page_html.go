package gktinc

import (
	"encoding/json"
	"fmt"
	"html"
	"html/template"
	"strings"
)

// This file takes only the type HTML from package html/template: executing a template
// makes the linker keep every exported method of every type in the program.

// Field returns the hidden input element.
func (p Page) Field() (template.HTML, error) {
	return template.HTML(fmt.Sprintf(`<input type="hidden" name="%s" value="%s">`,
		html.EscapeString(p.OnceField), html.EscapeString(p.OnceValue))), nil
}

// Scripts returns the script elements, with the configuration, the vendor's script and
// the call that starts it. It fails if browsers would not load the script from its URL.
func (p Page) Scripts() (template.HTML, error) {
	if p.Options.ScriptURL == "" {
		p.Options.ScriptURL = DefaultScriptURL
	}
	if err := p.Options.check(); err != nil {
		return "", fmt.Errorf("gktinc: %w", err)
	}
	nonce := ""
	if p.Nonce != "" {
		nonce = ` nonce="` + html.EscapeString(p.Nonce) + `"`
	}
	blocked := ""
	if p.Blocked {
		blocked = "\nvar gktinc_blocked = true;"
	}
	form := "null"
	if p.Options.FormID != "" {
		form = "document.getElementById(" + javaScript(p.Options.FormID) + ")"
	}
	return template.HTML(fmt.Sprintf(`<script%[1]s>
var gktinc_config = %[2]s;%[3]s
</script>
<script%[1]s src="%[4]s"></script>
<script%[1]s>
gktinc_init(gktinc_config, %[5]s, %[6]s,  %[7]t );
</script>
`, nonce, javaScript(p.Config), blocked, html.EscapeString(escapeURL(p.Options.ScriptURL)), form,
		javaScript(p.Options.InputID), p.Options.Verbose)), nil
}

// javaScript returns a string or a PageConfig as an expression for a script element: JSON
// is JavaScript, and encoding/json escapes <, >, & and the two characters that end a line
// in JavaScript but not in JSON, U+2028 and U+2029.
func javaScript(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings and numbers can always be encoded
	}
	return string(data)
}

// escapeURL escapes characters that a URL cannot contain (RFC 3986, section 2). It keeps
// existing escapes.
func escapeURL(url string) string {
	var b strings.Builder
	for i := range len(url) {
		c := url[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~!#$&*+,/:;=?@[]", c) >= 0,
			c == '%' && i+2 < len(url) && isHex(url[i+1]) && isHex(url[i+2]):
			b.WriteByte(c)
		default: // including quotation marks and parentheses, which HTML and CSS use
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	return b.String()
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}
