"""National numbers of persons: how each is written, and which python-stdnum module checks it.

The shapes are those that the issuing countries print; python-stdnum documents each with its sources.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NationalNumber:
    """One kind of number. `module` is a module of python-stdnum, or "" where the shape alone is all there is.

    `pattern` is a shape that gives it away without context, "" if it is bare digits; then one of `words` (patterns,
    any case) has to stand near.
    """

    id: str
    module: str
    pattern: str = ""
    words: tuple[str, ...] = ()


NUMBERS = (
    NationalNumber("us_ssn", "us.ssn", r"\d{3}-\d{2}-\d{4}", (r"ssn", r"social.security")),
    NationalNumber("us_itin", "us.itin", r"9\d{2}-\d{2}-\d{4}", (r"itin",)),
    NationalNumber("us_ein", "us.ein", "", (r"ein", r"employer identification")),
    NationalNumber("ca_sin", "ca.sin", "", (r"sin", r"social insurance")),
    NationalNumber("mx_curp", "mx.curp", r"[A-Z]{4}\d{6}[HMX][A-Z]{5}[0-9A-Z]\d"),
    NationalNumber("mx_rfc", "mx.rfc", r"[A-Z&]{4}\d{6}[A-Z0-9]{3}", (r"rfc",)),
    NationalNumber("br_cpf", "br.cpf", r"\d{3}\.\d{3}\.\d{3}-\d{2}", (r"cpf",)),
    NationalNumber("br_cnpj", "br.cnpj", r"\d{2}\.\d{3}\.\d{3}/\d{4}-\d{2}", (r"cnpj",)),
    NationalNumber("ar_cuit", "ar.cuit", r"(?:2[0347]|3[034])-\d{8}-\d", (r"cui[tl]",)),
    NationalNumber("ar_dni", "ar.dni", "", (r"dni",)),
    NationalNumber("cl_rut", "cl.rut", r"\d{1,2}\.\d{3}\.\d{3}-[\dKk]", (r"rut", r"run")),
    NationalNumber("co_nit", "co.nit", "", (r"nit",)),
    NationalNumber("ec_ci", "ec.ci", "", ("c(?:e|\u00e9)dula",)),
    NationalNumber("do_cedula", "do.cedula", r"\d{3}-\d{7}-\d", ("c(?:e|\u00e9)dula",)),
    NationalNumber("pe_cui", "pe.cui", "", (r"dni", r"cui")),
    NationalNumber("uy_rut", "uy.rut", "", (r"rut",)),
    NationalNumber("ve_rif", "ve.rif", r"[VEJPG]-?\d{8}-\d", (r"rif",)),
    NationalNumber("gb_nhs", "gb.nhs", "", (r"nhs",)),
    NationalNumber("gb_nino", "", r"[ABCEGHJ-PRSTW-Z][ABCEGHJ-NPRSTW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]"),
    NationalNumber("gb_utr", "gb.utr", "", (r"utr", r"unique taxpayer")),
    NationalNumber("ie_pps", "ie.pps", "", (r"pps",)),
    NationalNumber("de_idnr", "de.idnr", "", (r"steuer-?id\w*", r"idnr", r"steuerliche identifikationsnummer")),
    NationalNumber("at_vnr", "at.vnr", "", (r"svnr", r"sozialversicherungsnummer", r"versicherungsnummer")),
    NationalNumber("ch_ssn", "ch.ssn", r"756\.\d{4}\.\d{4}\.\d{2}", (r"ahv\w*", r"avs")),
    NationalNumber("fr_nir", "fr.nir", r"[12] ?\d{2} ?[01]\d ?\d[\dAB] ?\d{3} ?\d{3} ?\d{2}", (r"nir",)),
    NationalNumber("be_nn", "be.nn", r"\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2}",
                   (r"rijksregisternummer", r"registre national")),
    NationalNumber("nl_bsn", "nl.bsn", "", (r"bsn", r"burgerservicenummer", r"sofi-?nummer")),
    NationalNumber("es_dni", "es.dni", r"\d{8}-?[A-HJ-NP-TV-Z]", (r"dni", r"nif")),
    NationalNumber("es_nie", "es.nie", r"[XYZ]-?\d{7}-?[A-HJ-NP-TV-Z]", (r"nie",)),
    NationalNumber("pt_nif", "pt.nif", "", (r"nif", r"contribuinte")),
    NationalNumber("it_codice_fiscale", "it.codicefiscale", r"[A-Za-z]{6}\d{2}[A-Za-z]\d{2}[A-Za-z]\d{3}[A-Za-z]"),
    NationalNumber("gr_amka", "gr.amka", "", (r"amka", "\u0391\u039c\u039a\u0391")),
    NationalNumber("pl_pesel", "pl.pesel", "", (r"pesel",)),
    NationalNumber("pl_nip", "pl.nip", "", (r"nip",)),
    NationalNumber("cz_rc", "cz.rc", r"\d{2}[0156]\d[0-3]\d/\d{4}", ("rodn\u00e9 \u010d\u00edslo",)),
    NationalNumber("hu_anum", "hu.anum", "", ("ad\u00f3sz\u00e1m",)),
    NationalNumber("ro_cnp", "ro.cnp", "", (r"cnp",)),
    NationalNumber("bg_egn", "bg.egn", "", (r"egn", "\u0415\u0413\u041d")),
    NationalNumber("hr_oib", "hr.oib", "", (r"oib",)),
    NationalNumber("si_emso", "si.emso", "", ("em\u0161o", r"jmbg")),
    NationalNumber("ee_ik", "ee.ik", "", (r"isikukood",)),
    NationalNumber("lt_asmens", "lt.asmens", "", (r"asmens kodas",)),
    NationalNumber("fi_hetu", "fi.hetu", r"[0-3]\d[01]\d{3}[-+A-F]\d{3}[0-9A-Y]", (r"hetu", "henkil\u00f6tunnus")),
    NationalNumber("se_personnummer", "se.personnummer", r"\d{6}(?:\d{2})?[-+]\d{4}", (r"personnummer",)),
    NationalNumber("no_fodselsnummer", "no.fodselsnummer", "", ("f\u00f8dselsnummer", r"personnummer")),
    NationalNumber("dk_cpr", "dk.cpr", "", (r"cpr",)),
    NationalNumber("is_kennitala", "is_.kennitala", "", (r"kennitala",)),
    NationalNumber("tr_tckn", "tr.tckimlik", "", (r"t\.?c\.? ?kimlik\w*", r"kimlik no")),
    NationalNumber("ru_inn", "ru.inn", "", (r"inn", "\u0438\u043d\u043d", "\u0418\u041d\u041d")),
    NationalNumber("ua_rntrc", "ua.rntrc", "",
                   ("\u0456\u043f\u043d", "\u0406\u041f\u041d", "\u0420\u041d\u041e\u041a\u041f\u041f")),
    NationalNumber("il_idnr", "il.idnr", "",
                   (r"teudat zehut", "\u05ea\u05e2\u05d5\u05d3\u05ea \u05d6\u05d4\u05d5\u05ea")),
    NationalNumber("za_idnr", "za.idnr", "", (r"rsa id", r"south african id")),
    NationalNumber("in_aadhaar", "in_.aadhaar", "", (r"aadhaa?r", "\u0906\u0927\u093e\u0930")),
    NationalNumber("in_pan", "in_.pan", r"[A-Z]{3}[ABCFGHLJPT][A-Z]\d{4}[A-Z]"),
    NationalNumber("pk_cnic", "pk.cnic", r"\d{5}-\d{7}-\d", (r"cnic",)),
    NationalNumber("cn_ric", "cn.ric", r"[1-9]\d{5}(?:19|20)\d{2}[01]\d[0-3]\d\d{3}[\dXx]", ("\u8eab\u4efd\u8bc1",)),
    NationalNumber("kr_rrn", "kr.rrn", r"\d{2}[01]\d[0-3]\d-[1-8]\d{6}", ("\uc8fc\ubbfc\ub4f1\ub85d\ubc88\ud638",)),
    NationalNumber("jp_my_number", "jp.in_", "",
                   ("\u30de\u30a4\u30ca\u30f3\u30d0\u30fc", "\u500b\u4eba\u756a\u53f7", r"my number")),
    NationalNumber("th_pin", "th.pin", r"\d-\d{4}-\d{5}-\d{2}-\d",
                   ("\u0e1a\u0e31\u0e15\u0e23\u0e1b\u0e23\u0e30\u0e0a\u0e32\u0e0a\u0e19",)),
    NationalNumber("my_nric", "my.nric", r"\d{2}[01]\d[0-3]\d-\d{2}-\d{4}", (r"nric", r"mykad")),
    NationalNumber("id_nik", "id.nik", "", (r"nik", r"ktp")),
    NationalNumber("au_tfn", "au.tfn", "", (r"tfn", r"tax file number")),
    NationalNumber("nz_ird", "nz.ird", "", (r"ird",)),
)  # fmt: skip

ANY_WORDS = (
    r"national (?:id|identi\w+)", r"(?:id|identity|identification|personal|tax(?:payer)?) (?:number|no\.?|code|id)",
    r"tax id", r"citizen(?:ship)? (?:id|number)", r"ausweisnummer", "num\u00e9ro d'identit\u00e9",
    "n\u00famero de identi\\w+",
)  # fmt: skip
"""Words near which a bare number is taken for a national number, whichever country's."""
