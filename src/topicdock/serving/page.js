"use strict";
// Sends the text to this service and shows its answer. Text becomes text nodes only, never markup.
const SHOWN = 8, LEAST = 0.01;
const text = document.getElementById("text");
const button = document.getElementById("send");
const answer = document.getElementById("answer");

function element(tag, className, content) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (content !== undefined) made.textContent = content;
  return made;
}

function percent(weight) {
  return (100 * weight).toFixed(1) + " %";
}

function bar(weight, colour) {
  const track = element("span", "track");
  const fill = element("span", "fill");
  track.setAttribute("aria-hidden", "true");
  fill.style.width = 100 * weight + "%";
  fill.style.background = colour;
  track.append(fill);
  return track;
}

function row(topic, weight, words) {
  const card = document.getElementById("topic-" + topic);
  const item = element("li");
  item.append(element("span", "percent", percent(weight)));
  const side = element("div");
  const link = element("a", "", "Topic " + topic);
  link.href = "#topic-" + topic;
  side.append(link, ": " + card.querySelector(".title").textContent, bar(weight, card.dataset.colour));
  if (words && words.length) {
    const line = element("p", "soft", "because of ");
    words.forEach((word, index) => line.append(index ? ", " : "", element("mark", "", word)));
    side.append(line);
  }
  item.append(side);
  return item;
}

function show(prediction) {
  const key = Object.keys(prediction).find((name) => name.startsWith("topic_"));
  const weights = prediction[key];
  const words = new Map(prediction.topics.map((topic) => [topic.topic, topic.document_words]));
  const order = weights.map((_, topic) => topic).sort((a, b) => weights[b] - weights[a] || a - b);
  const shown = order.filter((topic, place) => place < SHOWN && (place === 0 || weights[topic] >= LEAST));
  const list = element("ol", "mixture");
  for (const topic of shown) list.append(row(topic, weights[topic], words.get(topic)));
  const rest = 1 - shown.reduce((sum, topic) => sum + weights[topic], 0);
  const notes = [];
  if (shown.length < weights.length) notes.push("The other topics together: " + percent(Math.max(rest, 0)) + ".");
  const unknown = prediction.unknown_words;
  notes.push(unknown === 1 ? "1 word is not known to the model." : unknown + " words are not known to the model.");
  answer.replaceChildren(list, element("p", "soft", notes.join(" ")));
}

function complain(message) {
  answer.replaceChildren(element("p", "wrong", message));
}

async function send() {
  button.disabled = true;
  try {
    const response = await fetch("invocations", {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json; verbose=true" },
      body: JSON.stringify({ instances: [{ text: text.value }] }),
    });
    if (response.ok) show((await response.json()).predictions[0]);
    else complain(await response.text());
  } catch (error) {
    complain("The service could not be reached. Is it still running?");
  } finally {
    button.disabled = false;
  }
}

button.addEventListener("click", send);
text.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send();
});
