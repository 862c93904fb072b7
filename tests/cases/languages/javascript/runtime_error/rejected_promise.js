const words = require("fs").readFileSync(0, "utf8").split(/\s+/).filter(Boolean);
console.log(words.reduce((total, word) => total + Number(word), 0));
Promise.reject(new Error("the sum was right, and yet it ended with a failure"));
