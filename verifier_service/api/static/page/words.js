// Explanations of the service's terms for the page.

/** The rules that find an answer in a completion, the most reliable first. */
export const RULES = {
  boxed: "the last \\boxed{…} of the answer",
  tag: "the content of <answer>…</answer>",
  hashes: "the text after #### at the end",
  phrase: "a sentence such as “the answer is …”",
  last_line: "the last line, if it is only an answer",
  last_number: "the last number in the text; the least reliable rule",
};

export const LIMIT_WORDS = {
  time_limit_s: "CPU time",
  wall_limit_s: "Wall time",
  memory_limit_mb: "Memory",
  output_limit_kb: "Output",
  max_processes: "Processes",
};

/** The symbol, style (good, bad or neither) and name of each verdict. */
export const VERDICTS = {
  accepted: ["✓", "good", "Accepted"],
  wrong_answer: ["✕", "bad", "Wrong answer"],
  no_answer: ["∅", "bad", "No answer"],
  compile_error: ["✕", "bad", "Compile error"],
  runtime_error: ["✕", "bad", "Runtime error"],
  time_limit_exceeded: ["◷", "bad", "Time limit exceeded"],
  memory_limit_exceeded: ["▤", "bad", "Memory limit exceeded"],
  output_limit_exceeded: ["▤", "bad", "Output limit exceeded"],
  judge_error: ["!", "unsure", "Judge error"],
};

const OF_MATH = {
  accepted: "The answer equals the reference.",
  wrong_answer: "The answer does not equal the reference, or could not be shown to.",
  no_answer: "The completion contains no answer that can be judged.",
  time_limit_exceeded: "Comparing the answer with the reference took too long.",
  memory_limit_exceeded: "Comparing the answer with the reference took too much memory.",
};

const OF_CODE = {
  accepted: "Every test passed.",
  wrong_answer: "The program ran but failed a test.",
  no_answer: "The completion contains no answer or program that can be judged.",
  compile_error: "The program could not be compiled.",
  runtime_error: "The program ended with an error, or before the tests were done.",
  time_limit_exceeded: "The program used more CPU time or wall time than allowed.",
  memory_limit_exceeded: "The program needed more memory than allowed.",
  output_limit_exceeded: "The program wrote more than allowed.",
  judge_error: "This says nothing about the completion: the request cannot be judged, or the service failed.",
};

/** Return what a verdict means for a kind of submission. */
export const meaning = (kind, verdict) => (kind === "math" ? OF_MATH[verdict] : undefined) ?? OF_CODE[verdict] ?? "";

/** Observations of the sandbox that may be worth a look. */
export const SIGNALS = {
  ended_early: "The program exited while a result was expected.",
  left_processes: "Processes of the program were still running after it ended.",
  forbidden_system_call: "The kernel killed the program for a forbidden system call.",
  tried_a_socket: "The program tried to use the network, which does not exist in the sandbox.",
  failed_line_up: "An operator of one of the program's classes accepted a value that it had to reject.",
  failed_twin: "A copy of a test, changed so that it must fail, passed.",
  passed_only_across_the_wall: "A test passed across the wall and failed in plain Python.",
};

export const GUARDS = {
  twins: "Copies of this test, changed so that they must fail, did fail.",
  none: "This test has nothing that can be changed to make it fail, so no changed copy confirms it.",
};

/** The phases of a submission's time. */
export const PHASES = {
  queue_s: "waiting in the queue",
  start_s: "starting the box",
  run_s: "running",
  judge_s: "comparing results",
};
