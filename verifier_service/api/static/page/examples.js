// Example submissions; each shows a different outcome or kind of tests.

const SUM = "```python\ndef total(numbers):\n    result = 0\n    for number in numbers[1:]:\n        result += number\n    return result\n```";

export const EXAMPLES = [
  {
    name: "Fractions",
    form: {
      kind: "math",
      completion: "Two of the four quarters are left, that is 2/4 of the cake.\n\nSo the answer is $\\boxed{\\frac{2}{4}}$.",
      references: ["0.5"],
    },
  },
  {
    name: "An identity",
    form: {
      kind: "math",
      completion: "By the formula for double angles,\n\\[ \\sin^2 x = \\frac{1 - \\cos 2x}{2}. \\]\nTherefore the answer is \\boxed{\\frac{1-\\cos(2x)}{2}}.",
      references: ["\\sin^2 x"],
    },
  },
  {
    name: "Refuted",
    form: {
      kind: "math",
      completion: "Squaring the sum gives the sum of the squares:\n\\[ (x+1)^2 = x^2 + 1 \\]\nThe expansion is \\boxed{x^2+1}.",
      references: ["(x+1)^2"],
    },
  },
  {
    name: "Calls that fail",
    form: {
      kind: "code",
      completion: `The sum of all numbers:\n\n${SUM}\n`,
      tests: {
        kind: "call",
        entry_point: "total",
        calls: [
          { args: "[[0, 2, 3]]", expected: "5" },
          { args: "[[4, 5, 6]]", expected: "15" },
          { args: "[[]]", expected: "0" },
        ],
      },
    },
  },
  {
    name: "Standard input",
    form: {
      kind: "code",
      completion: '```python\nimport sys\n\nrows = int(input())\nfor row in range(1, rows + 1):\n    print("*" * row)\n    print("row", row, file=sys.stderr)\n```',
      tests: {
        kind: "stdio",
        checker: "exact",
        stdio: [
          { stdin: "1\n", stdout: "*\n" },
          { stdin: "4\n", stdout: "*\n***\n****\n*****\n" },
        ],
      },
    },
  },
  {
    name: "Asserts",
    form: {
      kind: "code",
      completion: "```python\ndef is_palindrome(text):\n    return text == text[::-1]\n```",
      tests: { kind: "assert", code: 'assert is_palindrome("level")\nassert not is_palindrome("hello")\nassert is_palindrome("")' },
    },
  },
  {
    name: "pytest",
    form: {
      kind: "code",
      completion: "```python\ndef slug(title):\n    return title.lower().replace(' ', '-')\n```",
      tests: {
        kind: "pytest",
        files: [
          {
            name: "test_solution.py",
            text: 'import pytest\nfrom solution import slug\n\n\n@pytest.mark.parametrize("title, wanted", [("A Title", "a-title"), ("Two  Spaces", "two-spaces")])\ndef test_slug(title, wanted):\n    assert slug(title) == wanted\n',
          },
        ],
      },
    },
  },
  {
    name: "C++ that does not compile",
    form: {
      kind: "code",
      language: "cpp",
      completion: "```cpp\n#include <iostream>\nint main() {\n    int number\n    std::cin >> number;\n    std::cout << 2 * number << \"\\n\";\n}\n```",
      tests: { kind: "stdio", stdio: [{ stdin: "21\n", stdout: "42\n" }] },
    },
  },
  {
    name: "Too slow",
    form: {
      kind: "code",
      completion: "```python\nnumber = int(input())\nwhile number != 1:\n    number = number // 2 if number % 2 == 0 else 3 * number\nprint(number)\n```",
      tests: { kind: "stdio", stdio: [{ stdin: "8\n", stdout: "1\n" }, { stdin: "7\n", stdout: "1\n" }] },
      limits: { time_limit_s: "1" },
    },
  },
];
