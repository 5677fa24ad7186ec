// Turns Slack's mrkdwn into nodes. All text is set as text: nothing from a message becomes markup.
"use strict";

// Drawn, not taken from a font: many machines have none with emoji.
const EMOJI = {
  rotating_light: ["red", "!"], warning: ["amber", "!"], key: ["red", "!"], mag: ["blue", "?"],
  white_check_mark: ["green", "✓"], checkered_flag: ["grey", "⚑"], hourglass: ["blue", "◔"],
  no_entry: ["red", "–"], red_circle: ["red dot", ""], large_yellow_circle: ["amber dot", ""],
  white_circle: ["grey dot", ""], satellite_antenna: ["blue", "↓"], newspaper: ["grey", "≡"],
};
const TOKEN = /```([\s\S]+?)```|`([^`\n]+)`|<([^<>\n]+)>|:([a-z0-9_+-]+):|(?<![\w*])\*(?=\S)([^*\n]+?)(?<=\S)\*(?![\w*])|(?<![\w_])_(?=\S)([^_\n]+?)(?<=\S)_(?![\w_])|(?<![\w~])~(?=\S)([^~\n]+?)(?<=\S)~(?![\w~])|\n/;

function decodeEntities(text) {
  return text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
}

function node(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function drawEmoji(name) {
  const made = node("span", "emoji " + EMOJI[name][0], EMOJI[name][1]);
  made.title = ":" + name + ":";
  return made;
}

// Writes an instant as Slack's <!date^…> does, in the time zone of whoever looks.
function writeDate(seconds, format, now) {
  const at = new Date(seconds * 1000);
  const dayOf = (date) => Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) / 86400000;
  const days = dayOf(at) - dayOf(new Date(now * 1000));
  const near = { "-1": "yesterday", 0: "today", 1: "tomorrow" }[days];
  const short = at.toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" });
  const time = at.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  return format.replaceAll("{date_short_pretty}", near || short)
    .replaceAll("{date_short}", short).replaceAll("{time}", time);
}

function angle(inside, state) {
  const [target, label] = inside.split(/\|(.*)/s);
  if (target.startsWith("@")) {
    return node("span", "mention", "@" + (state.users[target.slice(1)] || target.slice(1)).replace(/ \(.*/, ""));
  }
  if (target.startsWith("#")) return node("span", "mention", "#" + (state.channels[target.slice(1)] || target.slice(1)));
  if (target.startsWith("!subteam^")) {
    const group = target.slice("!subteam^".length);
    return node("span", "mention group", "@" + (state.groups[group] || group));
  }
  if (target.startsWith("!date^")) {
    const [, seconds, format] = target.split("^");
    return document.createTextNode(writeDate(Number(seconds), format, state.now));
  }
  if (target.startsWith("!")) return node("span", "mention group", "@" + target.slice(1));
  const link = node("a", "", decodeEntities(label || target));
  link.title = decodeEntities(target);
  const card = /\/archives\/(\w+)\/p(\d+)(\d{6})$/.exec(target);
  if (card) link.addEventListener("click", () => showMessage(card[1], card[2] + "." + card[3]));
  return link;
}

function renderInline(text, state, into) {
  let rest = text;
  for (;;) {
    const match = TOKEN.exec(rest);
    if (!match) break;
    if (match.index) into.append(decodeEntities(rest.slice(0, match.index)));
    const [all, block, code, inside, emoji, bold, italic, strike] = match;
    if (block !== undefined) into.append(node("pre", "", decodeEntities(block.replace(/^\n|\n$/g, ""))));
    else if (code !== undefined) into.append(node("code", "", decodeEntities(code)));
    else if (inside !== undefined) into.append(angle(inside, state));
    else if (emoji !== undefined) into.append(EMOJI[emoji] ? drawEmoji(emoji) : all);
    else if (bold !== undefined) renderInline(bold, state, into.appendChild(node("strong")));
    else if (italic !== undefined) renderInline(italic, state, into.appendChild(node("em")));
    else if (strike !== undefined) renderInline(strike, state, into.appendChild(node("s")));
    else into.append(node("br"));
    rest = rest.slice(match.index + all.length);
  }
  if (rest) into.append(decodeEntities(rest));
  return into;
}

// Bold may hold a mention or a date, so its stars are looked for across them.
function renderMrkdwn(text, state, into) {
  const lines = text.split("```").length > 1 ? [text] : text.split("\n");
  lines.forEach((line, number) => {
    if (number) into.append(node("br"));
    if (line.startsWith("&gt;")) renderInline(line.slice(4).trimStart(), state, into.appendChild(node("blockquote")));
    else renderInline(line, state, into);
  });
  return into;
}

function renderText(text, state, into) {
  if (text.type === "mrkdwn") return renderMrkdwn(text.text, state, into);
  into.textContent = decodeEntities(text.text);
  return into;
}
