/*
 * libgkpow: searches for gkCAPTCHA's proofs of work, and tokens.
 *
 *   go build -buildmode=c-shared -o libgkpow.so ./cmd/libgkpow
 *   cc -I cmd/libgkpow program.c -L . -lgkpow
 *
 * All functions may be called by any thread, at the same time. They call nothing
 * back, keep no pointer that they are given, and return when they are done; a
 * canceler ends them earlier. Text is UTF-8. Load the library after fork(2), not
 * before: the Go runtime in it has threads, which a fork does not copy.
 */
#ifndef GKPOW_H
#define GKPOW_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What functions return: the exit codes of the command gkpow, and GKPOW_CANCELED. */
enum {
	GKPOW_OK = 0,
	GKPOW_OTHER = 1,        /* none of the others */
	GKPOW_USAGE = 2,        /* an argument is wrong, or a buffer is too small */
	GKPOW_CREDENTIALS = 3,  /* keys are not accepted, or M2M is not enabled */
	GKPOW_RATE_LIMITED = 4, /* the error says for how long */
	GKPOW_QUOTA = 5,        /* the monthly quota is used up */
	GKPOW_TIME = 6,         /* the timeout has passed, or the challenge has expired */
	GKPOW_REJECTED = 7,     /* by the service, or the challenge is too hard */
	GKPOW_NETWORK = 8,      /* no usable answer from the service */
	GKPOW_NONE = 9,         /* no allowed nonce is a solution */
	GKPOW_CANCELED = 10     /* by gkpow_cancel */
};

/* Sizes of buffers that are always enough, with the zero byte at the end. */
#define GKPOW_HASH_SIZE 65
#define GKPOW_TOKEN_SIZE 16384
#define GKPOW_ERROR_SIZE 512

/* Version of the library, such as "v1.2.3". It lives as long as the library. */
const char *gkpow_version(void);

/*
 * A canceler ends the calls that it is passed to. 0 stands for none. Free it when
 * no call uses it any more; freeing it cancels it, too. A number that is no
 * canceler does nothing here, and is GKPOW_USAGE elsewhere.
 */
uint64_t gkpow_canceler_new(void);
void gkpow_cancel(uint64_t canceler);
void gkpow_canceler_free(uint64_t canceler);

/*
 * Finds a nonce such that SHA-256(salt + ":" + nonce in decimal) begins with
 * difficulty (0 to 64) zero hex digits.
 *
 *   salt, salt_length  any bytes; salt may be NULL if the length is 0
 *   threads            how many search; 0 is all CPUs allowed
 *   timeout_ms         milliseconds until GKPOW_TIME; 0 is no limit
 *   nonce, hash        the solution, and its hash in lower-case hex, of
 *                      GKPOW_HASH_SIZE bytes; NULL if not wanted
 *   error, error_size  a buffer for what is wrong, cut to fit; NULL and 0 if not
 *                      wanted. It is empty if nothing is
 */
int32_t gkpow_solve(const char *salt, size_t salt_length, int32_t difficulty, int32_t threads,
	int64_t timeout_ms, uint64_t canceler, uint64_t *nonce, char *hash, char *error, size_t error_size);

/*
 * Gets a token. The process shares one for each pair of keys: it is kept, renewed
 * ahead of time, and got once for all calls that wait.
 *
 *   site_key, secret_key  the keys
 *   api_url               where the API is; NULL is the public one
 *   timeout_ms, canceler, error, error_size  as above
 *   token, token_size     a buffer for the token; GKPOW_TOKEN_SIZE is enough
 *   expires_at            Unix seconds; NULL if not wanted
 */
int32_t gkpow_token(const char *site_key, const char *secret_key, const char *api_url, int64_t timeout_ms,
	uint64_t canceler, char *token, size_t token_size, int64_t *expires_at, char *error, size_t error_size);

/*
 * Says that a token was refused, so that gkpow_token with the same keys does not
 * give it out again. A token that has been replaced since is no matter.
 */
int32_t gkpow_token_refused(const char *site_key, const char *secret_key, const char *api_url, const char *token,
	char *error, size_t error_size);

#ifdef __cplusplus
}
#endif
#endif
