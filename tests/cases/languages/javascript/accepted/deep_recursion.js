const numbers = require("fs").readFileSync(0, "utf8").split(/\s+/).filter(Boolean).map(Number);
const total = (depth) => (depth ? total(depth - 1) + 0 : numbers.reduce((a, b) => a + b, 0));
console.log(total(50000));
