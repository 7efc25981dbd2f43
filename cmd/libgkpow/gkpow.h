/*
 * libgkpow solves gkCAPTCHA's proofs of work and gets tokens.
 *
 *   go build -buildmode=c-shared -o libgkpow.so ./cmd/libgkpow
 *   cc -I cmd/libgkpow program.c -L . -lgkpow
 *
 * All functions are thread-safe. They block until they are done; a canceler ends
 * them earlier. They use no callbacks, and keep no pointer after they return. Text
 * is UTF-8. Load the library after fork(2), not before: it contains the Go runtime,
 * whose threads do not survive a fork.
 */
#ifndef GKPOW_H
#define GKPOW_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Return values: the exit codes of the command gkpow, and GKPOW_CANCELED. */
enum {
	GKPOW_OK = 0,
	GKPOW_OTHER = 1,        /* any other error */
	GKPOW_USAGE = 2,        /* an argument is invalid, or a buffer is too small */
	GKPOW_CREDENTIALS = 3,  /* the keys are rejected, or M2M is not enabled */
	GKPOW_RATE_LIMITED = 4, /* the error text says for how long */
	GKPOW_QUOTA = 5,        /* the monthly quota is used up */
	GKPOW_TIME = 6,         /* the call timed out, or the challenge expired */
	GKPOW_REJECTED = 7,     /* the service rejected the request, or the challenge is too hard */
	GKPOW_NETWORK = 8,      /* no valid response from the service */
	GKPOW_NONE = 9,         /* no allowed nonce solves the puzzle */
	GKPOW_CANCELED = 10     /* canceled by gkpow_cancel */
};

/* Sufficient buffer sizes in bytes, including the terminating null byte. */
#define GKPOW_HASH_SIZE 65
#define GKPOW_TOKEN_SIZE 16385
#define GKPOW_ERROR_SIZE 512

/* Returns the version of the library, such as "v1.2.3". The string is static. */
const char *gkpow_version(void);

/*
 * A canceler ends the calls that it is passed to; 0 means none. Free it when no
 * call uses it any more. Freeing a canceler also cancels it. These functions ignore
 * an invalid number; the functions below return GKPOW_USAGE for it.
 */
uint64_t gkpow_canceler_new(void);
void gkpow_cancel(uint64_t canceler);
void gkpow_canceler_free(uint64_t canceler);

/*
 * Finds a nonce such that SHA-256(salt + ":" + nonce in decimal) begins with
 * difficulty (0 to 64) zero hex digits.
 *
 *   salt, salt_length  any bytes; salt may be NULL if salt_length is 0
 *   threads            number of threads; 0 means all available CPUs
 *   timeout_ms         time limit in milliseconds; 0 means none
 *   canceler           from gkpow_canceler_new; 0 means none
 *   nonce              receives the solution; may be NULL
 *   hash               receives its hash in lower-case hex; GKPOW_HASH_SIZE bytes,
 *                      or NULL
 *   error, error_size  buffer for the error text, which is truncated to fit and
 *                      empty on success; may be NULL and 0
 */
int32_t gkpow_solve(const char *salt, size_t salt_length, int32_t difficulty, int32_t threads,
	int64_t timeout_ms, uint64_t canceler, uint64_t *nonce, char *hash, char *error, size_t error_size);

/*
 * Gets a token. All calls in the process with the same keys and URL share one token,
 * which is renewed ahead of time.
 *
 *   site_key, secret_key  the keys
 *   api_url               URL of the API; NULL means the public one
 *   timeout_ms, canceler, error, error_size  as above
 *   token, token_size     buffer for the token; GKPOW_TOKEN_SIZE is sufficient
 *   expires_at            receives the expiry time in Unix seconds; may be NULL
 */
int32_t gkpow_token(const char *site_key, const char *secret_key, const char *api_url, int64_t timeout_ms,
	uint64_t canceler, char *token, size_t token_size, int64_t *expires_at, char *error, size_t error_size);

/*
 * Reports that a token was rejected, so that gkpow_token with the same keys does not
 * return it again. Reporting a token that has already been replaced is a no-op.
 */
int32_t gkpow_token_refused(const char *site_key, const char *secret_key, const char *api_url, const char *token,
	char *error, size_t error_size);

#ifdef __cplusplus
}
#endif
#endif
