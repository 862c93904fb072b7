const words = require('fs').readFileSync('/dev/stdin', 'utf8').split(/\s+/).filter(Boolean);
console.log(String(words.map(BigInt).reduce((a, b) => a + b, 0n)));
