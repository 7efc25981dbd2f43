"""The loop of the service's Python sample: python3 search.py SALT DIFFICULTY
prints the nonce, the hash and the duration of the loop in seconds."""

import hashlib
import sys
import time


def search(salt: str, difficulty: int):
    zeros = "0" * difficulty
    nonce = 0
    while True:
        digest = hashlib.sha256(f"{salt}:{nonce}".encode()).hexdigest()
        if digest.startswith(zeros):
            return nonce, digest
        nonce += 1


start = time.perf_counter()
nonce, digest = search(sys.argv[1], int(sys.argv[2]))
print(nonce, digest, time.perf_counter() - start)
