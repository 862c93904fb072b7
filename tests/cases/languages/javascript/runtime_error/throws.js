console.log(undefined.total);
