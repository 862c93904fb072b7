const readline = require("readline");

const lines = readline.createInterface({ input: process.stdin });
let total = 0n;
lines.on("line", (line) => {
  for (const word of line.trim().split(" ").filter(Boolean)) total += BigInt(word);
});
lines.on("close", () => console.log(total.toString()));
