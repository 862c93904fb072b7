const numbers = require('fs').readFileSync(0, 'utf8').split(/\s+/).filter(Boolean).map(BigInt);
const sorted = numbers.toSorted((a, b) => (a < b ? -1 : 1)).toReversed();
console.log(String(sorted.toSpliced(0, 1, sorted.at(0) ?? 0n).reduce((a, b) => a + b, 0n)));
