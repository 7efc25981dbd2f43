// Package devtools drives a headless Chromium in tests, with the Chrome DevTools Protocol.
package devtools
