package gktinc

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/client"
)

// A form is rejected if some program could find a value other than the one that the service
// checks.
func TestProtectOneValue(t *testing.T) {
	v, c := serve(t, Open) // even this policy denies these forms
	s := newSite(t, c, GuardOptions{})
	for name, body := range map[string]string{
		"missing":                  "user=zed",
		"empty body otherwise":     "",
		"array":                    "username[]=admin",
		"array beside":             "username=zed&username[]=admin",
		"array before":             "username[]=admin&username=zed",
		"index":                    "username=zed&username[0]=admin",
		"key":                      "username=zed&username[name]=admin",
		"escaped brackets":         "username=zed&username%5B%5D=admin",
		"twice the same":           "username=zed&username=zed",
		"twice":                    "username=zed&username=admin",
		"other case":               "username=zed&USERNAME=admin",
		"only another case":        "Username=admin",
		"long s":                   "username=zed&u%C5%BFername=admin",
		"brackets around":          "username=zed&[username]=admin",
		"closing bracket":          "username=zed&username]=admin",
		"space before":             "username=zed&+username=admin",
		"space behind":             "username=zed&username+=admin",
		"NUL":                      "username=zed&username%00x=admin",
		"zero width":               "username=zed&user%E2%80%8Bname=admin",
		"byte order mark":          "%EF%BB%BFusername=admin&username=zed",
		"not UTF-8":                "username=zed&username%ff=admin",
		"escape of IIS":            "username=zed&%u0075sername=admin",
		"behind a semicolon":       "username=zed&x=1;username=admin",
		"hidden from qs":           "username=zed[a]=admin",
		"value is not UTF-8":       "username=adm%ffin",
		"value without escapes":    "username=adm\xc3\xaen",
		"escape is none":           "username=adm%zzin",
		"once is an array too":     "username=zed&gktinc_once[]=x",
		"solution is an array too": "username=zed&gktinc_solution[]=x",
	} {
		r := request("POST", urlencoded, body+"&gktinc_solution=AAAA&gktinc_once="+s.page())
		require.Equal(t, 400, s.do(r).Code, name)
		require.ErrorIs(t, s.err, ErrForm, name)
		require.False(t, s.verdict.Allowed, name)
	}
	const multipart = "multipart/form-data; boundary=B"
	zed := "--B\r\nContent-Disposition: form-data; name=\"username\"\r\n\r\nzed\r\n"
	for name, test := range map[string]struct{ contentType, body string }{
		"bare line feeds":     {multipart, strings.ReplaceAll(zed, "\r\n", "\n")},
		"line feed in header": {multipart, strings.Replace(zed, "\"\r\n", "\"\n", 1)},
		"line feed at end":    {multipart, strings.Replace(zed, "zed\r\n", "zed\n", 1)},
		"file":                {multipart, zed + "--B\r\nContent-Disposition: form-data; name=\"username\"; filename=\"f\"\r\n\r\nadmin\r\n"},
		"array":               {multipart, zed + strings.Replace(zed, "username", "username[]", 1)},
		"escaped name":        {multipart, zed + strings.Replace(zed, "username", "%75sername", 1)},
		"charset of a part":   {multipart, strings.Replace(zed, "\r\n\r\n", "\r\nContent-Type: text/plain; charset=utf-16\r\n\r\n", 1)},
		"folded header":       {multipart, strings.Replace(zed, "; name", ";\r\n name", 1)},
		"preamble":            {multipart, "x\r\n" + zed},
		"charset":             {multipart + "; charset=ibm037", zed},
		"boundary with comma": {`multipart/form-data; boundary="B,"`, strings.ReplaceAll(zed, "--B", "--B,")},
	} {
		boundary := "--B"
		if strings.Contains(test.contentType, ",") {
			boundary = "--B,"
		}
		body := test.body
		for name, value := range map[string]string{"gktinc_once": s.page(), "gktinc_solution": "AAAA"} {
			body += boundary + "\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n"
		}
		require.Equal(t, 400, s.do(request("POST", test.contentType, body+boundary+"--\r\n")).Code, name)
		require.ErrorIs(t, s.err, ErrForm, name)
	}
	for name, change := range map[string]func(http.Header){
		"charset":     func(h http.Header) { h.Set("Content-Type", urlencoded+"; charset=ibm037") },
		"parameter":   func(h http.Header) { h.Set("Content-Type", urlencoded+"; x=multipart/form-data; boundary=B") },
		"two types":   func(h http.Header) { h.Add("Content-Type", multipart) },
		"compression": func(h http.Header) { h.Set("Content-Encoding", "gzip") },
	} {
		r := request("POST", urlencoded, "username=zed&gktinc_solution=AAAA&gktinc_once="+s.page())
		change(r.Header)
		require.Equal(t, 400, s.do(r).Code, name)
		require.ErrorIs(t, s.err, ErrForm, name)
	}
	for _, query := range []string{"username=admin", "USERNAME=zed", "username[]=zed", "x=1;username=zed", "username=zed&username=admin", "username", strings.Repeat("a&", 1002)} {
		r := request("POST", urlencoded, "username=zed&gktinc_solution=AAAA&gktinc_once="+s.page())
		r.URL.RawQuery = query
		require.Equal(t, 400, s.do(r).Code, query)
		require.ErrorIs(t, s.err, ErrForm, query)
	}
	require.Empty(t, v.asked(), "the service was asked about a rejected form")
	require.Empty(t, s.seen)

	// Names that only look similar are accepted.
	for _, body := range []string{
		"username=zed", "username=", "username=zed&user=x&user=y&name[]=1&name[]=2&users[name]=z&username_2=a&User=b", "username=z%5B%5D%3Ded%3Bx",
	} {
		require.Equal(t, 200, s.do(request("POST", urlencoded, body+"&gktinc_solution=AAAA&gktinc_once="+s.page())).Code, body)
	}
	r := request("POST", urlencoded, "username=zed&gktinc_solution=AAAA&gktinc_once="+s.page())
	r.URL.RawQuery = "username=zed&next=/&user[]=x" // as if a link had filled in the input
	require.Equal(t, 200, s.do(r).Code)
	s.seen = nil
	v.asked()

	// A page can say that its form may lack the field.
	optional := newSite(t, c, GuardOptions{FieldOptional: true})
	require.Equal(t, 200, optional.post("x", "1", "gktinc_solution", "AAAA", "gktinc_once", optional.page()).Code)
	require.Empty(t, v.asked()[0]["form_input_element_value"])
	require.Equal(t, 400, optional.post("username[]", "admin", "gktinc_solution", "AAAA", "gktinc_once", optional.page()).Code)

	// Other inputs of a nested form do not count as the monitored one.
	nested := newSite(t, c, GuardOptions{Field: "user[name]"})
	require.Equal(t, 200, nested.post("user[name]", "zed", "user[password]", "x", "user[]", "y", "gktinc_solution", "AAAA", "gktinc_once", nested.page()).Code)
	for _, name := range []string{"user", "user[name][]", "user[name", "user.name", "user[Name]", "[user][name]"} {
		require.Equal(t, 400, nested.post("user[name]", "zed", name, "admin", "gktinc_solution", "AAAA", "gktinc_once", nested.page()).Code, name)
	}
}

// Long values are truncated.
func TestValidationIsBounded(t *testing.T) {
	v, c := serve(t, Closed)
	s := newSite(t, c, GuardOptions{})
	long := strings.Repeat("é", 40_000)
	r := request("POST", urlencoded, "username="+strings.Repeat("%C3%A9", 40_000)+"&gktinc_solution=AAAA&gktinc_once="+s.page())
	for _, name := range []string{"User-Agent", "Sec-CH-UA", "Sec-CH-UA-Mobile", "Sec-CH-UA-Platform"} {
		r.Header.Set(name, long)
	}
	require.Equal(t, 200, s.do(r).Code)
	sent := v.asked()[0]
	for _, name := range []string{"form_input_element_value", "user_agent", "sec_ch_ua", "sec_ch_ua_mobile", "sec_ch_ua_platform"} {
		require.Equal(t, long[:1024], sent[name], name)
	}
	require.Equal(t, "a"+long[:1022], beginning("a"+long), "a character was split")

	require.Equal(t, 400, s.post("username", "zed", "gktinc_solution", strings.Repeat("A", 64<<10+1), "gktinc_once", s.page()).Code)
	require.ErrorIs(t, s.err, client.ErrRejected)
	require.Empty(t, v.asked())
}
