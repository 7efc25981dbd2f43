package main

import (
	"log/slog"
	"strings"

	"github.com/spf13/cobra"
)

// The other packages address Go programmers, so their errors begin with the package's
// name and mention fields of a Config. Users of the command know variables and flags
// instead: words replaces those names in the text of every error that a command prints,
// logs or answers with.
func words(text string) string {
	text = strings.TrimPrefix(packageNames.Replace(": "+text), ": ")
	if strings.Contains(text, "gktinc/") || strings.Contains(text, "GuardOptions") {
		return gktincWords.Replace(text)
	}
	return m2mWords.Replace(text)
}

// packageNames removes the names of packages at every level of wrapped errors.
var packageNames = strings.NewReplacer(
	": client: ", ": ",
	": gktinc: ", ": ",
	": solver: ", ": ",
	": bench: solver: ", ": ",
	": strategies: ", ": ",
	": bench: ", ": ",
	": rediscache: ", ": ",
	": diskcache: ", ": the cache on disk: ",
)

// If two texts match at the same place, the one listed first wins.
var m2mWords = strings.NewReplacer(
	"Config.URL (GKCAPTCHA_API_URL)", "GKCAPTCHA_API_URL",
	"Config.URL", "GKCAPTCHA_API_URL",
	" (Config.Timeout)", "",
	" (Config.MaxRounds)", "",
	"so give the solver more CPU, or raise Config.MaxRounds", "so allow more --threads, or use a faster machine",
	"Config.MaxDifficulty", "--max-difficulty",
	"solver.Options.MaxNonce", "--max-nonce",
	"Options.Backend", "--backend",
	"Options.SaltLengths", "--salt-length",
	"Options.Threads", "--threads",
	"Options.Budget", "--time",
	"Options.Rounds", "--count",
	"Options.Difficulty", "--difficulty",

	"config: URL", "GKCAPTCHA_API_URL",
	"config: SiteKey", "GKCAPTCHA_SITE_KEY",
	"config: SecretKey", "GKCAPTCHA_SECRET_KEY, or the file in GKCAPTCHA_SECRET_KEY_FILE,",
	"config: MaxDifficulty", "--max-difficulty",
)

var gktincWords = strings.NewReplacer(
	"Config.URL (GKTINC_API_URL)", "GKTINC_API_URL",
	"Config.URL", "GKTINC_API_URL",
	" (Config.Timeout)", "",

	"gktinc/config: URL", "GKTINC_API_URL",
	"gktinc/config: APIKey", "GKTINC_API_KEY, or the file in GKTINC_API_KEY_FILE,",
	"gktinc/config: HashID", "GKTINC_HASHID",
	"gktinc/config: PageKey:", "GKTINC_PAGE_KEY, or the file in GKTINC_PAGE_KEY_FILE:",
	"gktinc/config: PageKey", "GKTINC_PAGE_KEY, or the file in GKTINC_PAGE_KEY_FILE,",
	"gktinc/config: DefaultLevel", "--default-level",
	"gktinc/config: GuardOptions.URL", "the form's url",
	"gktinc/config: GuardOptions.Lifetime", "--page-lifetime",
	"gktinc/config: GuardOptions.MaxBody", "--max-body",
	"gktinc/config: GuardOptions.PreEnforce needs AskLevel", "--pre-enforce needs --ask-level",
	"gktinc/config: GuardOptions", "the form's settings",
)

// logWords is a slog.HandlerOptions.ReplaceAttr function that applies words to errors.
func logWords(_ []string, attribute slog.Attr) slog.Attr {
	if attribute.Key == "error" {
		attribute.Value = slog.StringValue(words(attribute.Value.String()))
	}
	return attribute
}

// newLog returns the log of servers, with one JSON object for each event.
func newLog(env environment) *slog.Logger {
	return slog.New(slog.NewJSONHandler(env.stderr, &slog.HandlerOptions{ReplaceAttr: logWords}))
}

// meant returns "; did you mean X?" with the name closest to what was typed, if one is close.
func meant(typed string, names []string) string {
	var all cobra.Command // for its SuggestionsFor
	for _, name := range names {
		all.AddCommand(&cobra.Command{Use: name, Run: func(*cobra.Command, []string) {}})
	}
	for distance := 1; typed != "" && distance <= 2; distance++ {
		all.SuggestionsMinimumDistance = distance
		if suggestions := all.SuggestionsFor(typed); len(suggestions) > 0 {
			return "; did you mean " + suggestions[0] + "?"
		}
	}
	return ""
}
