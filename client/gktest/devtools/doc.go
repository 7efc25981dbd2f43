// Package devtools drives a headless Chromium in tests, by the Chrome DevTools Protocol.
package devtools
