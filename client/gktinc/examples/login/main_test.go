package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/client/gktest"
	"github.com/gkpow/gkpow/client/gktinc"
)

var onceField = regexp.MustCompile(`<input type="hidden" name="gktinc_once" value="([^"]+)">`)

func TestLogin(t *testing.T) {
	emulator := httptest.NewServer(gktest.New(gktest.Options{}))
	defer emulator.Close()
	pages, err := site(gktinc.Config{
		URL: emulator.URL, APIKey: client.NewSecret(gktest.GKTincAPIKey), HashID: gktest.GKTincHashID,
	}, "example.com/login", "")
	require.NoError(t, err)
	server := httptest.NewServer(pages)
	defer server.Close()
	read := func(answer *http.Response, err error) (int, string) {
		require.NoError(t, err)
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		return answer.StatusCode, string(body)
	}

	for _, test := range []struct {
		name, password, solution string
		status                   int
		answer                   string
	}{
		{"right", "wonderland", "AAAA", 200, "welcome, alice"},
		{"wrong password", "looking-glass", "AAAA", 401, "password is wrong"},
		{"no solution", "wonderland", "", 403, "allow JavaScript"},
		{"wrong solution", "wonderland", "!", 403, `<p role="alert">That did not work. Please try again.</p>`},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, page := read(http.Get(server.URL + "/login"))
			require.Equal(t, 200, status)
			require.Contains(t, page, ` src="`+gktinc.DefaultScriptURL+`"`)
			once := onceField.FindStringSubmatch(page)
			require.NotNil(t, once, page)
			form := url.Values{"gktinc_once": {once[1]}, "username": {"alice"}, "password": {test.password}}
			if test.solution != "" {
				form.Set(gktinc.SolutionField, test.solution)
			}
			status, answer := read(http.PostForm(server.URL+"/login", form))
			require.Equal(t, test.status, status)
			require.Contains(t, answer, test.answer)
			status, _ = read(http.PostForm(server.URL+"/login", form))
			require.Equal(t, 403, status, "the same form again")
		})
	}

	_, err = site(gktinc.Config{}, "example.com/login", "")
	require.ErrorIs(t, err, client.ErrMisconfigured)
}
