// Typesets the equations of a page: what arithmatex left as \(...\) and \[...\].
for (const equation of document.querySelectorAll(".arithmatex")) {
  const source = equation.textContent.trim();
  katex.render(source.slice(2, -2), equation, { displayMode: source.startsWith("\\["), throwOnError: false });
}
