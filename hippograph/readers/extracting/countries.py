"""Countries by their names and by what people and things from there are called, in English."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

__all__ = ["countries_in", "country_of"]

_COUNTRIES: Final = """
Afghanistan: Afghan|Albania: Albanian|Algeria: Algerian|Andorra: Andorran|Angola: Angolan|Argentina: Argentine,
Argentinian|Armenia: Armenian|Australia: Australian|Austria: Austrian|Azerbaijan: Azerbaijani|Bahamas: Bahamian|Bahrain:
Bahraini|Bangladesh: Bangladeshi|Barbados: Barbadian|Belarus: Belarusian|Belgium: Belgian|Benin: Beninese|Bhutan:
Bhutanese|Bolivia: Bolivian|Bosnia and Herzegovina: Bosnian, Bosnia|Botswana: Botswanan|Brazil: Brazilian|Bulgaria:
Bulgarian|Burkina Faso: Burkinabe|Burundi: Burundian|Cambodia: Cambodian|Cameroon: Cameroonian|Canada: Canadian|Chad:
Chadian|Chile: Chilean|China: Chinese, People's Republic of China|Colombia: Colombian|Congo: Congolese|Costa Rica: Costa
Rican|Croatia: Croatian, Croat|Cuba: Cuban|Cyprus: Cypriot|Czech Republic: Czech, Czechia|Czechoslovakia:
Czechoslovak|Denmark: Danish, Dane|Dominican Republic:|Ecuador: Ecuadorian|Egypt: Egyptian|El Salvador:
Salvadoran|Eritrea: Eritrean|Estonia: Estonian|Ethiopia: Ethiopian|Fiji: Fijian|Finland: Finnish|France:
French|Gabon: Gabonese|Gambia: Gambian|Georgia (country):|Germany: German, West Germany, East Germany, West German, East
German|Ghana: Ghanaian|Greece: Greek|Guatemala: Guatemalan|Guinea: Guinean|Guyana: Guyanese|Haiti: Haitian|Honduras:
Honduran|Hong Kong:|Hungary: Hungarian|Iceland: Icelandic|India: Indian|Indonesia: Indonesian|Iran: Iranian,
Persian|Iraq: Iraqi|Ireland: Irish, Republic of Ireland|Israel: Israeli|Italy: Italian|Ivory Coast: Ivorian|Jamaica:
Jamaican|Japan: Japanese|Jordan: Jordanian|Kazakhstan: Kazakh, Kazakhstani|Kenya: Kenyan|Kosovo: Kosovan|Kuwait:
Kuwaiti|Kyrgyzstan: Kyrgyz|Laos: Laotian|Latvia: Latvian|Lebanon: Lebanese|Liberia: Liberian|Libya:
Libyan|Liechtenstein:|Lithuania: Lithuanian|Luxembourg: Luxembourgish|Madagascar: Malagasy|Malawi: Malawian|Malaysia:
Malaysian|Mali: Malian|Malta: Maltese|Mauritania: Mauritanian|Mauritius: Mauritian|Mexico: Mexican|Moldova:
Moldovan|Monaco: Monegasque|Mongolia: Mongolian|Montenegro: Montenegrin|Morocco: Moroccan|Mozambique: Mozambican|
Myanmar: Burmese, Burma|Namibia: Namibian|Nepal: Nepalese, Nepali|Netherlands: Dutch|New Zealand:
New Zealander|Nicaragua: Nicaraguan|Niger: Nigerien|Nigeria: Nigerian|North Korea: North Korean|North Macedonia:
Macedonian, Macedonia|Norway: Norwegian|Oman: Omani|Pakistan: Pakistani|Palestine: Palestinian|Panama:
Panamanian|Papua New Guinea:|Paraguay: Paraguayan|Peru: Peruvian|Philippines: Filipino, Philippine|Poland: Polish,
Pole|Portugal: Portuguese|Puerto Rico: Puerto Rican|Qatar: Qatari|Romania: Romanian|Russia: Russian|Rwanda:
Rwandan|Saudi Arabia: Saudi|Senegal: Senegalese|Serbia: Serbian, Serb|Sierra Leone:|Singapore: Singaporean|Slovakia:
Slovak|Slovenia: Slovenian, Slovene|Somalia: Somali|South Africa: South African|South Korea: South Korean, Korea,
Korean|Soviet Union: Soviet, USSR|Spain: Spanish, Spaniard|Sri Lanka: Sri Lankan|Sudan: Sudanese|Suriname:
Surinamese|Sweden: Swedish, Swede|Switzerland: Swiss|Syria: Syrian|Taiwan: Taiwanese|Tajikistan: Tajik|Tanzania:
Tanzanian|Thailand: Thai|Togo: Togolese|Trinidad and Tobago: Trinidadian|Tunisia: Tunisian|Turkey: Turkish,
Turk|Turkmenistan: Turkmen|Uganda: Ugandan|Ukraine: Ukrainian|United Arab Emirates: Emirati|United Kingdom: British,
English, Scottish, Welsh, UK, U.K., Great Britain, Britain, England, Scotland, Wales, Northern Ireland, Northern
Irish|United States: American, US, U.S., USA, U.S.A., United States of America, America|Uruguay: Uruguayan|Uzbekistan:
Uzbek|Vatican City:|Venezuela: Venezuelan|Vietnam: Vietnamese|Yemen: Yemeni|Yugoslavia: Yugoslav|Zambia:
Zambian|Zimbabwe: Zimbabwean
"""


@cache
def _names() -> dict[str, str]:
    names: dict[str, str] = {}
    for entry in " ".join(_COUNTRIES.split()).split("|"):
        country, _, others = entry.partition(":")
        country = country.removesuffix(" (country)").strip()
        names[country] = country
        names.update({other.strip(): country for other in others.split(",") if other.strip()})
    return names


@cache
def _pattern() -> re.Pattern[str]:
    longest = sorted(_names(), key=lambda name: (-len(name), name))
    return re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, longest))})(?!\w)")


def country_of(name: str) -> str:
    """Return the country that a name stands for; empty if it is none, nor what people from one are called.

    Examples
    --------
    >>> country_of("Norwegian"), country_of("England"), country_of("Oslo")
    ('Norway', 'United Kingdom', '')
    """
    return _names().get(name.strip().removeprefix("the "), "")


def countries_in(text: str) -> list[tuple[int, int, str]]:
    """Return where countries are named in a text, and which, in order.

    Examples
    --------
    >>> countries_in("An Anglo-French film by a U.S. director")
    [(26, 30, 'United States')]
    """
    return [(match.start(), match.end(), _names()[match[0]]) for match in _pattern().finditer(text)]
