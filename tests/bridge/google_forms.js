// Plays Google's Apps Script for config/examples/google-forms.gs, which stands behind this text. Each line that is printed
// is something that the script has done.

const crypto = require('crypto');

const told = (deed) => console.log(JSON.stringify(deed));
Date.now = () => NOW_MS;

const Utilities = {
  Charset: { UTF_8: 'utf8' },
  sleep: (ms) => told({ waited: ms }),
  computeHmacSha256Signature: (text, key, charset) =>
    Array.from(crypto.createHmac('sha256', Buffer.from(key, charset)).update(text, charset).digest(), (byte) =>
      byte > 127 ? byte - 256 : byte),
};

let failures = 0;
const UrlFetchApp = {
  fetch: (url, request) => {
    failures -= 1;
    if (failures >= 0 && failures % 2 === 0) throw new Error('Address unavailable');
    if (failures >= 0) return { getResponseCode: () => 503 };
    told({ url, ...request });
    return { getResponseCode: () => 200 };
  },
};

const FormApp = { ItemType: { TEXT: 1, GRID: 2, CHECKBOX_GRID: 3 } };
const rows = [];
const book = {
  getId: () => 'book-1',
  getName: () => 'Kontak (Responses)',
  getSheets: () => [{
    appendRow: (row) => rows.push(row),
    getLastRow: () => rows.length,
    getRange: (row, column) => ({ getValue: () => rows[row - 1][column - 1] }),
    deleteRow: (row) => rows.splice(row - 1, 1),
  }],
};
const properties = {};
const PropertiesService = {
  getScriptProperties: () => ({
    getProperty: (name) => properties[name],
    setProperty: (name, value) => { properties[name] = value; },
  }),
};
const SpreadsheetApp = { create: () => book, openById: () => book };

const item = (title, value, type = 'TEXT', lines = []) => {
  const question = {
    getTitle: () => title,
    getType: () => FormApp.ItemType[type],
    asGridItem: () => ({ getRows: () => lines }),
    asCheckboxGridItem: () => ({ getRows: () => lines }),
  };
  return { getItem: () => question, getResponse: () => value };
};

const ofAForm = (id, items) => ({
  source: { getId: () => '1FAIpQL', getTitle: () => 'Kontak' },
  response: {
    getItemResponses: () => items,
    getId: () => id,
    getTimestamp: () => new Date(NOW_MS - 60000),
    getRespondentEmail: () => '',
  },
});

const ofASheet = (namedValues) => ({
  namedValues,
  range: {
    getRow: () => 7,
    getSheet: () => ({
      getParent: () => book,
      getSheetId: () => 42,
      getRange: () => ({ getValue: () => new Date(NOW_MS - 60000) }),
    }),
  },
});

process.on('exit', () => {
  onSubmit(ofAForm('2_a', [
    item('Nama', 'Siti Aminah'),
    item('No HP', '0812 9988 7766'),
    item('Minat', ['Rumah', 'Ruko']),
    item('Jadwal', ['Pagi', null, 'Sore'], 'GRID', ['Senin', 'Selasa', 'Rabu']),
    item('Catatan', 'dekat stasiun'),
    item('Catatan', 'dua lantai – siap huni'),
  ]));
  onSubmit(ofASheet({ Nama: ['Budi Santoso'], 'No HP': ['0812 9988 7755'], Kota: ['', 'Bogor'] }));
  failures = 4;
  onSubmit(ofAForm('2_b', [item('Nama', 'Rina Wati'), item('No HP', '0812 9988 7744')]));
  told({ notSent: rows.map((row) => row[1]) });
  resend();
  told({ notSent: rows.map((row) => row[1]) });
});
