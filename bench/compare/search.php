<?php
// The loop of the service's PHP sample: php search.php SALT DIFFICULTY prints
// the nonce, the hash and the duration of the loop in seconds.

function search(string $salt, int $difficulty): array {
    $zeros = str_repeat("0", $difficulty);
    for ($nonce = 0; ; $nonce++) {
        $hash = hash("sha256", "$salt:$nonce");
        if (str_starts_with($hash, $zeros)) {
            return [$nonce, $hash];
        }
    }
}

$start = hrtime(true);
[$nonce, $hash] = search($argv[1], (int) $argv[2]);
echo $nonce, " ", $hash, " ", (hrtime(true) - $start) / 1e9, "\n";
