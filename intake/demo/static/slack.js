// Shows the state of the stand-in and sends back what a person does. See slack_page.py.
"use strict";

const byId = (id) => document.getElementById(id);
let state = null;
let place = new URLSearchParams(location.search).get("place") || null;
let shownModal = "";

async function send(name, body) {
  const answer = await fetch("/ui/" + name, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  });
  const result = await answer.json();
  if (!result.ok) toast(result.error);
  return result;
}

function toast(text) {
  const shown = byId("toast");
  shown.textContent = text;
  shown.hidden = false;
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => { shown.hidden = true; }, 5000);
}

const user = () => byId("user").value;

// ---- blocks ---------------------------------------------------------------------------------

function renderBlock(block, message) {
  switch (block.type) {
    case "section": return renderSection(block);
    case "header": return node("div", "header", block.text.text);
    case "context": {
      const made = node("div", "context");
      block.elements.forEach((one) => renderText(one, state, made.appendChild(node("span"))));
      return made;
    }
    case "actions": {
      const made = node("div", "actions");
      block.elements.forEach((one) => made.append(renderElement(one, message)));
      return made;
    }
    case "divider": return node("hr");
    case "input": return renderInput(block);
    default: return node("div");
  }
}

function renderSection(block) {
  const made = node("div", "section");
  if (block.text) renderText(block.text, state, made.appendChild(node("div")));
  if (block.fields) {
    const fields = made.appendChild(node("div", "fields"));
    block.fields.forEach((one) => renderText(one, state, fields.appendChild(node("div"))));
  }
  return made;
}

function renderElement(element, message) {
  if (element.type === "overflow") return renderMenu(element, message);
  const button = node("button", "button " + (element.style || ""), element.text.text);
  button.dataset.action = element.action_id;
  button.addEventListener("click", () => press(button, message, element.action_id));
  return button;
}

function renderMenu(element, message) {
  const made = node("div", "more");
  const button = made.appendChild(node("button", "button", "⋯"));
  button.title = "More actions";
  const menu = node("div", "menu");
  menu.hidden = true;
  element.options.forEach((option) => {
    const choice = menu.appendChild(node("button", "", option.text.text));
    choice.addEventListener("click", () => press(choice, message, element.action_id, option.value));
  });
  button.addEventListener("click", (event) => {
    const wasHidden = menu.hidden;
    document.querySelectorAll(".menu").forEach((one) => { one.hidden = true; });
    menu.hidden = !wasHidden;
    event.stopPropagation();
  });
  made.append(menu);
  return made;
}

async function press(button, message, actionId, option) {
  button.disabled = true;
  await send("press", { ts: message.ts, action_id: actionId, option, user: user() });
  button.disabled = false;
}

// ---- modals ---------------------------------------------------------------------------------

function renderInput(block) {
  const made = node("label", "field");
  made.dataset.block = block.block_id;
  made.append(node("span", "label", block.label.text));
  made.append(renderEntry(block.element, block.block_id));
  if (block.hint) made.append(node("div", "about", block.hint.text));
  return made;
}

function renderEntry(element, name) {
  if (element.type === "radio_buttons") {
    const made = node("div");
    element.options.forEach((option) => {
      const choice = made.appendChild(node("label", "choice"));
      const radio = choice.appendChild(node("input"));
      Object.assign(radio, { type: "radio", name, value: option.value, required: true });
      radio.checked = (element.initial_option || {}).value === option.value;
      choice.append(option.text.text);
    });
    return made;
  }
  if (element.type === "static_select" || element.type === "users_select") {
    const made = node("select");
    made.append(node("option"));
    const options = element.options
      ? element.options.map((one) => [one.value, one.text.text])
      : Object.entries(state.users);
    options.forEach(([value, text]) => { made.append(new Option(text, value)); });
    Object.assign(made, { name, required: true, value: element.initial_user || "" });
    return made;
  }
  const made = node(element.multiline ? "textarea" : "input");
  Object.assign(made, { name, required: true });
  if (element.type === "datetimepicker") {
    made.type = "datetime-local";
    const at = new Date(element.initial_date_time * 1000);
    made.value = new Date(at - at.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
  } else if (element.initial_value) made.value = element.initial_value;
  return made;
}

function entries(form) {
  const found = {};
  new FormData(form).forEach((value, name) => {
    const entry = form.elements[name];
    found[name] = entry.type === "datetime-local" ? Math.floor(new Date(value) / 1000) : value;
  });
  return found;
}

function renderModal() {
  const mine = state.views.filter((one) => one.user === user());
  const view = mine[mine.length - 1];
  const signature = view ? view.id + JSON.stringify(view.blocks) : "";
  if (signature === shownModal) return;
  shownModal = signature;
  const modal = byId("modal");
  modal.replaceChildren();
  modal.hidden = !view;
  if (!view) return;
  const form = modal.appendChild(node("form"));
  form.append(node("h1", "", view.title.text));
  const body = form.appendChild(node("div", "body"));
  view.blocks.forEach((block) => body.append(renderBlock(block, null)));
  const feet = form.appendChild(node("div", "feet"));
  const close = feet.appendChild(node("button", "button", (view.close || { text: "Close" }).text));
  close.type = "button";
  close.addEventListener("click", () => send("close", { view_id: view.id }));
  if (view.submit) feet.append(node("button", "button primary", view.submit.text));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit(form, view);
  });
  const first = form.querySelector("textarea, .field input, select");
  if (first) first.focus();
}

async function submit(form, view) {
  form.querySelectorAll(".wrong").forEach((one) => one.remove());
  const result = await send("submit", { view_id: view.id, values: entries(form), user: user() });
  const errors = ((result.answer || {}).errors) || {};
  Object.entries(errors).forEach(([block, text]) => {
    const field = [...form.querySelectorAll(".field")].find((one) => one.dataset.block === block);
    if (field) field.append(node("div", "wrong", text));
  });
}

// ---- the page -------------------------------------------------------------------------------

function showMessage(channel, ts) {
  place = channel;
  render();
  const shown = document.querySelector(`[data-ts="${ts}"]`);
  if (!shown) return;
  shown.scrollIntoView({ block: "center" });
  shown.classList.add("shown");
  setTimeout(() => shown.classList.remove("shown"), 1500);
}

const timeOf = (ts) => new Date(Number(ts.split(".")[0]) * 1000)
  .toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });

function renderMessage(message) {
  const made = node("article", "message");
  made.dataset.ts = message.ts;
  made.append(node("div", "avatar", "CPR"));
  const body = made.appendChild(node("div"));
  const who = body.appendChild(node("div", "who"));
  who.append(node("strong", "", "CPR intake"), node("span", "app", "APP"), node("time", "", timeOf(message.ts)));
  if (message.edits) who.append(node("em", "", "(edited)"));
  if (message.blocks.length) message.blocks.forEach((block) => body.append(renderBlock(block, message)));
  else renderMrkdwn(message.text, state, body.appendChild(node("div", "section")));
  return made;
}

function renderWhisper(said) {
  const made = node("article", "message whisper");
  made.append(node("div", "avatar", "CPR"));
  const body = made.appendChild(node("div"));
  const who = body.appendChild(node("div", "who"));
  who.append(node("strong", "", "CPR intake"), node("span", "app", "APP"), node("time", "", timeOf(said.ts)));
  body.append(node("div", "note", "Only visible to you"));
  renderMrkdwn(said.text, state, body.appendChild(node("div", "section")));
  return made;
}

function renderMessages() {
  const list = byId("messages");
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 60;
  const mine = state.ephemerals.filter((one) => one.user === user() && one.channel === place);
  const all = [...state.messages.filter((one) => one.channel === place), ...mine]
    .sort((one, other) => one.ts.localeCompare(other.ts));
  list.replaceChildren(...all.map((one) => (one.user === "U0BOT" ? renderMessage(one) : renderWhisper(one))));
  if (!all.length) list.append(node("p", "empty", "Nothing here yet. Cards appear by themselves."));
  if (atEnd || renderMessages.place !== place) list.scrollTop = list.scrollHeight;
  renderMessages.place = place;
}

const directName = (channel) => state.users["U" + channel.slice(1)] || channel;

function renderPlaces() {
  const places = byId("places");
  const directs = [...new Set(state.messages.map((one) => one.channel).filter((one) => one.startsWith("D")))].sort();
  const button = (channel, label) => {
    const made = node("button", channel === place ? "here" : "", label);
    const count = state.messages.filter((one) => one.channel === channel).length;
    if (count) made.append(node("span", "count", String(count)));
    made.addEventListener("click", () => { place = channel; render(); });
    return made;
  };
  places.replaceChildren(node("h2", "", "Channels"));
  Object.entries(state.channels).forEach(([channel, name]) => places.append(button(channel, "# " + name)));
  if (directs.length) places.append(node("h2", "", "Direct messages"));
  directs.forEach((channel) => places.append(button(channel, directName(channel))));
  const [title, about] = byId("title").children;
  title.textContent = state.channels[place] ? "# " + state.channels[place] : directName(place);
  about.textContent = state.channels[place] ? "Certificate problem reports" : "Direct message from CPR intake";
}

function renderUsers() {
  const select = byId("user");
  if (select.options.length) return;
  Object.entries(state.users).forEach(([id, name]) => select.append(new Option(name, id)));
}

function renderDemo() {
  byId("demo").hidden = !state.clock && !state.clock_buttons.length;
  const at = new Date(state.now * 1000);
  byId("clock").textContent = at.toISOString().slice(0, 16).replace("T", " ") + " UTC";
  const buttons = byId("clock-buttons");
  if (buttons.children.length === state.clock_buttons.length) return;
  buttons.replaceChildren(...state.clock_buttons.map((label) => {
    const made = node("button", "", label);
    made.addEventListener("click", async () => {
      made.disabled = true;
      await send("clock", { label });
      made.disabled = false;
    });
    return made;
  }));
}

function render() {
  if (!state) return;
  place = place || Object.keys(state.channels)[0];
  byId("connection").textContent = state.connected ? "app connected" : "app not connected";
  byId("connection").classList.toggle("on", state.connected);
  renderUsers();
  renderPlaces();
  renderMessages();
  renderModal();
  renderDemo();
}

async function refresh() {
  if (refresh.running) { refresh.again = true; return; }
  refresh.running = true;
  try {
    do {
      refresh.again = false;
      state = await (await fetch("/ui/state")).json();
      render();
    } while (refresh.again);
  } finally {
    refresh.running = false;
  }
}

byId("user").addEventListener("change", render);
byId("command").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = byId("text").value.replace(/^\/cpr\s*/, "");
  const channel = state.channels[place] ? place : Object.keys(state.channels)[0];
  place = channel;
  if ((await send("command", { text, user: user(), channel })).ok) byId("text").value = "";
});
document.addEventListener("click", () => document.querySelectorAll(".menu").forEach((one) => { one.hidden = true; }));

const stream = new EventSource("/ui/events");
stream.onmessage = refresh;
stream.onerror = () => {
  byId("connection").textContent = "the demo has ended";
  byId("connection").classList.remove("on");
};
refresh();
setInterval(() => { if (state && state.clock) refresh(); }, 20000);

// What goes wrong on this page is shown on this page.
window.addEventListener("error", (event) => toast(event.message));
window.addEventListener("unhandledrejection", (event) => toast(String(event.reason)));
