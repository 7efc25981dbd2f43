package main

import (
	"fmt"
	"html"
	"strings"
)

// page returns the status as an HTML page.
func (s agentStatus) page() string {
	var b strings.Builder
	b.WriteString(`<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>gkpow agent</title>
<style>
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 44rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .4rem .8rem .4rem 0; border-top: 1px solid color-mix(in srgb, currentColor 20%, transparent); overflow-wrap: anywhere; }
th { font-weight: 600; width: 9rem; }
.bad { color: light-dark(#b00020, #ff8a80); font-weight: 600; }
</style>
<h1>gkpow agent: `)
	row := func(head, bad, text string) {
		if bad != "" {
			bad = `<span class="bad">` + html.EscapeString(bad) + `</span> `
		}
		fmt.Fprintf(&b, `<tr><th scope="row">%s</th><td>%s%s</td></tr>`+"\n", html.EscapeString(head), bad, html.EscapeString(text))
	}
	if s.Ready {
		b.WriteString("ready")
	} else {
		b.WriteString(`<span class="bad">not ready</span>`)
	}
	b.WriteString("</h1>\n<table>\n")
	for _, r := range s.rows() {
		row(r[0], "", r[1])
	}
	b.WriteString("</table>\n<h2>Last failures</h2>\n")
	if len(s.Failures) == 0 {
		b.WriteString("<p>none</p>")
	} else {
		b.WriteString("<table>\n")
		for _, f := range s.Failures {
			row(f.At.Format("15:04:05"), f.Kind, f.Message)
		}
		b.WriteString("</table>")
	}
	b.WriteString("\n</html>\n")
	return b.String()
}
