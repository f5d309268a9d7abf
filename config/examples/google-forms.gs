// Google Forms to konektor-bridge. Google has no webhooks: this script sends each response, signed.
//
// 1. Open the form (or the sheet that collects its responses), then Extensions > Apps Script. Paste this file.
// 2. Fill in BRIDGE_URL and SECRET: the bridge's GOOGLE_FORMS_SECRET, at least 16 characters.
// 3. Run `install` once and allow what it asks for. It makes the one trigger, however often it is run.
//
// What cannot be sent after four tries is written into a sheet of its own, "konektor-bridge: not sent", which is made in your
// Drive when it is needed; `resend` sends it again. Google mails you when the script itself fails.

const BRIDGE_URL = 'https://your-bridge.example.com/hooks/google_forms';
const SECRET = 'the bridge\'s GOOGLE_FORMS_SECRET';
const PAUSES_S = [1, 4, 16];

function install() {
  const ours = ScriptApp.getProjectTriggers().filter((trigger) => trigger.getHandlerFunction() === 'onSubmit');
  ours.forEach((trigger) => ScriptApp.deleteTrigger(trigger));
  const form = FormApp.getActiveForm();
  const builder = ScriptApp.newTrigger('onSubmit');
  const source = form ? builder.forForm(form) : builder.forSpreadsheet(SpreadsheetApp.getActive());
  source.onFormSubmit().create();
}

function onSubmit(event) {
  const payload = JSON.stringify(event.response ? ofForm(event) : ofSheet(event));
  const problem = send(payload);
  if (problem) notSent().appendRow([new Date(), problem, payload]);
}

// A script in the form: questions in order, and the response's own id.
function ofForm(event) {
  const response = event.response;
  const answers = {};
  response.getItemResponses().forEach((item) => add(answers, item.getItem().getTitle(), answer(item)));
  return {
    formId: event.source.getId(),
    formTitle: event.source.getTitle(),
    responseId: response.getId(),
    submittedAt: response.getTimestamp().toISOString(),
    respondentEmail: response.getRespondentEmail() || null,
    answers: answers,
  };
}

// A script in the sheet has no id. A row can come again after one was deleted, so the moment belongs to it.
function ofSheet(event) {
  const sheet = event.range.getSheet();
  const book = sheet.getParent();
  const at = sheet.getRange(event.range.getRow(), 1).getValue();
  const moment = at instanceof Date ? at : new Date();
  const answers = {};
  Object.keys(event.namedValues).forEach((title) => {
    event.namedValues[title].filter((value) => value !== '').forEach((value) => add(answers, title, value));
  });
  return {
    formId: book.getId(),
    formTitle: book.getName(),
    responseId: [book.getId(), sheet.getSheetId(), event.range.getRow(), moment.getTime()].join(':'),
    submittedAt: moment.toISOString(),
    answers: answers,
  };
}

// What was answered; of a grid each row with its own question.
function answer(item) {
  const value = item.getResponse();
  const question = item.getItem();
  const type = question.getType();
  let rows = null;
  if (type === FormApp.ItemType.GRID) rows = question.asGridItem().getRows();
  if (type === FormApp.ItemType.CHECKBOX_GRID) rows = question.asCheckboxGridItem().getRows();
  if (!rows) return value;
  const lines = rows.map((row, i) => (value[i] === null || value[i] === undefined ? null : row + ': ' + [].concat(value[i]).join(', ')));
  return lines.filter((line) => line !== null).join('; ');
}

// Two questions may have one title.
function add(answers, title, value) {
  answers[title] = title in answers ? [].concat(answers[title], value) : value;
}

// Sends, and gives what went wrong, if it did.
function send(payload) {
  let problem = '';
  for (let i = 0; i <= PAUSES_S.length; i++) {
    if (i > 0) Utilities.sleep(PAUSES_S[i - 1] * 1000);
    try {
      const status = UrlFetchApp.fetch(BRIDGE_URL, signed(payload)).getResponseCode();
      if (status >= 200 && status < 300) return '';
      problem = 'the bridge answered ' + status;
    } catch (error) {
      problem = String(error);
    }
  }
  return problem;
}

function signed(payload) {
  const time = Math.floor(Date.now() / 1000);
  const bytes = Utilities.computeHmacSha256Signature(time + '.' + payload, SECRET, Utilities.Charset.UTF_8);
  // Google's bytes go from -128 to 127.
  const hex = bytes.map((byte) => (byte & 255).toString(16).padStart(2, '0')).join('');
  return {
    method: 'post',
    contentType: 'application/json',
    payload: payload,
    headers: { 'X-Bridge-Signature': 't=' + time + ',v1=' + hex },
    muteHttpExceptions: true,
    followRedirects: false,
  };
}

// The sheet of what was not sent.
function notSent() {
  const properties = PropertiesService.getScriptProperties();
  const known = properties.getProperty('NOT_SENT');
  const book = known ? SpreadsheetApp.openById(known) : SpreadsheetApp.create('konektor-bridge: not sent');
  properties.setProperty('NOT_SENT', book.getId());
  return book.getSheets()[0];
}

// Sends again what was not sent. Each row goes away once the bridge has it.
function resend() {
  const sheet = notSent();
  for (let row = sheet.getLastRow(); row >= 1; row--) {
    const payload = sheet.getRange(row, 3).getValue();
    if (payload && !send(payload)) sheet.deleteRow(row);
  }
}
