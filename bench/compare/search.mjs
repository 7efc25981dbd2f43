// The loop of the service's Node.js sample: node search.mjs SALT DIFFICULTY
// prints the nonce, the hash and the duration of the loop in seconds.
import crypto from "node:crypto";

function search(salt, difficulty) {
  const zeros = "0".repeat(difficulty);
  for (let nonce = 0; ; nonce++) {
    const hash = crypto.createHash("sha256").update(`${salt}:${nonce}`).digest("hex");
    if (hash.startsWith(zeros)) return [nonce, hash];
  }
}

const [salt, difficulty] = process.argv.slice(2);
const start = process.hrtime.bigint();
const [nonce, hash] = search(salt, Number(difficulty));
const seconds = Number(process.hrtime.bigint() - start) / 1e9;
console.log(nonce, hash, seconds);
