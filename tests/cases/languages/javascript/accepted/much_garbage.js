// Allocates gigabytes and keeps little: what is limited is what is in memory, not what was ever asked for.
const kept = new Map();
for (let i = 0; i < 50000; i++) kept.set(i % 100, new Array(5000).fill(i + 0.5));
const words = require("fs").readFileSync(0, "utf8").split(/\s+/).filter(Boolean);
console.log(words.reduce((total, word) => total + Number(word), 0) + kept.get(7)[3] * 0);
