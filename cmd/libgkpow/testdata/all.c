// Calls every function of the library, with valid and with invalid arguments.
#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "gkpow.h"

static uint64_t canceler;

static void *cancel_soon(void *unused) {
	struct timespec t = {0, 50 * 1000 * 1000};
	nanosleep(&t, NULL);
	gkpow_cancel(canceler);
	return unused;
}

int main(void) {
	char error[GKPOW_ERROR_SIZE], hash[GKPOW_HASH_SIZE], small[8];
	static char token[GKPOW_TOKEN_SIZE], again[GKPOW_TOKEN_SIZE];
	uint64_t nonce = 7;
	int64_t expires = 0;

	assert(strlen(gkpow_version()) > 0);

	// Searches write only to the buffers that are not NULL, and nothing on failure.
	assert(gkpow_solve(NULL, 0, 0, 1, 0, 0, &nonce, hash, error, sizeof error) == GKPOW_OK);
	assert(strlen(hash) == 64 && error[0] == 0);
	assert(gkpow_solve("a\0b", 3, 2, 0, 0, 0, NULL, NULL, NULL, 0) == GKPOW_OK);
	nonce = 7;
	assert(gkpow_solve("x", 1, 65, 0, 0, 0, &nonce, hash, error, sizeof error) == GKPOW_USAGE);
	assert(nonce == 7 && strstr(error, "65"));
	assert(gkpow_solve("x", 1, 65, 0, 0, 0, NULL, NULL, small, sizeof small) == GKPOW_USAGE);
	assert(strlen(small) == sizeof small - 1);
	assert(gkpow_solve(NULL, 1, 1, 0, 0, 0, NULL, NULL, error, sizeof error) == GKPOW_USAGE);
	assert(gkpow_solve("x", 1, 1, -1, 0, 0, NULL, NULL, error, sizeof error) == GKPOW_USAGE);
	assert(gkpow_solve("x", 1, 1, 0, -1, 0, NULL, NULL, error, sizeof error) == GKPOW_USAGE);
	assert(gkpow_solve("x", 1, 1, 0, 0, 99, NULL, NULL, error, sizeof error) == GKPOW_USAGE);
	assert(strstr(error, "canceler 99"));
	assert(gkpow_solve("x", 1, 64, 0, 20, 0, NULL, NULL, error, sizeof error) == GKPOW_TIME);

	pthread_t thread;
	canceler = gkpow_canceler_new();
	assert(canceler != 0);
	assert(pthread_create(&thread, NULL, cancel_soon, NULL) == 0);
	assert(gkpow_solve("x", 1, 64, 0, 0, canceler, NULL, NULL, error, sizeof error) == GKPOW_CANCELED);
	pthread_join(thread, NULL);
	gkpow_canceler_free(canceler);
	gkpow_canceler_free(canceler);
	gkpow_cancel(canceler);
	assert(gkpow_solve("x", 1, 1, 0, 0, canceler, NULL, NULL, error, sizeof error) == GKPOW_USAGE);

	// Tokens.
	const char *site = getenv("GKCAPTCHA_SITE_KEY"), *secret = getenv("GKCAPTCHA_SECRET_KEY"), *url = getenv("GKCAPTCHA_API_URL");
	assert(gkpow_token(site, secret, url, 60000, 0, token, sizeof token, &expires, error, sizeof error) == GKPOW_OK);
	assert(strncmp(token, "eyJ", 3) == 0 && expires > time(NULL));
	assert(gkpow_token(site, secret, url, 60000, 0, again, sizeof again, NULL, error, sizeof error) == GKPOW_OK);
	assert(strcmp(token, again) == 0);
	assert(gkpow_token(site, secret, url, 60000, 0, small, sizeof small, NULL, error, sizeof error) == GKPOW_USAGE);
	assert(strstr(error, "token_size"));
	assert(gkpow_token_refused(site, secret, url, token, error, sizeof error) == GKPOW_OK);
	assert(gkpow_token(site, secret, url, 60000, 0, again, sizeof again, NULL, error, sizeof error) == GKPOW_OK);
	assert(strcmp(token, again) != 0);
	assert(gkpow_token(site, "sk_live_SENTINEL", url, 60000, 0, again, sizeof again, NULL, error, sizeof error) == GKPOW_CREDENTIALS);
	assert(strstr(error, "SENTINEL") == NULL);
	assert(gkpow_token(NULL, secret, url, 60000, 0, again, sizeof again, NULL, error, sizeof error) == GKPOW_USAGE);
	assert(gkpow_token(site, secret, "http://127.0.0.1:1", 2000, 0, again, sizeof again, NULL, error, sizeof error) != GKPOW_OK);
	puts("ok");
	return 0;
}
