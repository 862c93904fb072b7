"""GRPO with Unsloth on one GPU, rewarded by the verifier: `python examples/unsloth_grpo.py`."""

from datasets import load_dataset
from trl import GRPOConfig, GRPOTrainer
from trl_reward import verified
from unsloth import FastLanguageModel


def row(problem):
    """Return a row of GSM8K for TRL; the reference is the text after the last `####`."""
    asked = problem["question"] + "\nPut the answer in \\boxed{}."
    return {"prompt": [{"role": "user", "content": asked}], "verifier": problem["answer"].split("####")[-1].strip()}


if __name__ == "__main__":
    model, tokenizer = FastLanguageModel.from_pretrained("Qwen/Qwen2.5-1.5B-Instruct", fast_inference=True)
    model = FastLanguageModel.get_peft_model(model, r=32, lora_alpha=32)
    arguments = GRPOConfig(output_dir="runs/unsloth", num_generations=8, max_completion_length=512, max_steps=300)
    rows = load_dataset("openai/gsm8k", "main", split="train").map(row)
    GRPOTrainer(model, reward_funcs=verified, args=arguments, train_dataset=rows, processing_class=tokenizer).train()
